"""The program ``edgezen``, which comes with this package, called from Python."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import EdgezenError, by_code


@lru_cache(maxsize=1)
def path() -> str:
    """The program's file: beside the scripts of this environment, or else on the search path."""
    for folder in (sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user")):
        for name in ("edgezen", "edgezen.exe"):
            if (file := Path(folder) / name).is_file():
                return str(file)
    if (found := shutil.which("edgezen")) is not None:
        return found
    raise EdgezenError("the program edgezen is not there", "install the package anew: pip install --force-reinstall edgezen")


def words(options: Mapping[str, Any]) -> list[str]:
    """Options as words of a command line: ``kernel_sizes=[3, 5]`` becomes ``--kernel-sizes 3 5``.

    True stands for the option alone; None and False leave it out.
    """
    line: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        line.append("--" + name.replace("_", "-"))
        if value is True:
            continue
        several = isinstance(value, (list, tuple))
        line += [os.fspath(v) if isinstance(v, os.PathLike) else str(v) for v in (value if several else [value])]
    return line


def run(*line: str | os.PathLike[str], progress: bool = False) -> Any:
    """Runs ``edgezen`` with these words and ``--json``, and gives what it printed.

    ``progress``: remarks and progress go to stderr. Raises an :class:`EdgezenError` where the program fails. Ctrl-C reaches the
    program, which writes its checkpoint, and is raised here.
    """
    command = [path(), *map(os.fspath, line), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=None if progress else subprocess.PIPE) as child:
        try:
            out, err = child.communicate()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            child.wait()
            raise
    if child.returncode == 0:
        return json.loads(out)
    raise _error(child.returncode, out, err)


def _error(code: int, out: bytes, err: bytes | None) -> EdgezenError:
    """What the program said of its failure: as JSON, or else on stderr."""
    try:
        printed = json.loads(out)
    except ValueError:
        printed = None
    # Of a list of networks, the failures stand among the answers.
    for item in printed if isinstance(printed, list) else [printed]:
        if isinstance(item, dict) and isinstance(item.get("error"), dict):
            error = item["error"]
            return by_code(error["code"], error["message"], error.get("remedy"))
    said = (err or b"").decode(errors="replace").strip()
    error = by_code(code, said or f"edgezen ended with exit code {code}", None)
    error.printed = printed
    return error
