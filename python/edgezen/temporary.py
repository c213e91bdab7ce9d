"""Folders of runs that nobody said a place for: they are there as long as something needs them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from weakref import WeakValueDictionary, finalize

#: The folders that are there, by the runs in them.
_THERE: WeakValueDictionary[Path, TemporaryFolder] = WeakValueDictionary()


class TemporaryFolder:
    """A new folder in the place for temporary files, removed with the last reference to this object, or when Python ends. ``run`` is the
    place of a run in it."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="edgezen-")).resolve()
        self.run = folder / "run"
        self._end = finalize(self, _remove, folder, os.getpid())
        _THERE[self.run] = self

    def remove(self) -> None:
        """Removes it at once."""
        self._end()

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        # In another process, the folder is that of this one; here, a copy keeps it as well.
        return of_run, (self.run,)


def of_run(run: str | os.PathLike[str]) -> TemporaryFolder | None:
    """The folder that was made for this run; None for a run in a place of its own."""
    return _THERE.get(Path(run).resolve())


def _remove(folder: Path, process: int) -> None:
    # A process that was forked has the object, but not the folder.
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
