"""Searches: the best network inside budgets, and the front of others beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from . import program
from .network import Network


@dataclass(frozen=True)
class Run:
    """What a search found: the ``best`` network, the ``front`` of score against each budget, and all that the program printed
    (``result``). ``folder`` holds its files."""

    best: Network
    front: list[Network]
    folder: Path
    result: dict[str, Any]

    def rows(self) -> list[dict[str, Any]]:
        """The front as a list of dicts, one for each network: ``net``, ``score``, its costs, and for each device the latency and its
        interval in milliseconds, as ``pixel2_ms``, ``pixel2_lower_ms``, ``pixel2_upper_ms``."""
        return [_row(network) for network in self.front]

    def frame(self) -> Any:
        """The same as a pandas data frame. Needs pandas."""
        import pandas

        return pandas.DataFrame(self.rows())


class Progress(NamedTuple):
    """How far a search is."""

    iteration: int
    #: How many there are.
    iterations: int
    #: The best score so far; None before the first network fits.
    best: float | None
    #: Networks that fitted the budgets and got a score.
    scored: int


def _row(network: Network) -> dict[str, Any]:
    found = network.found
    row = {key: value for key, value in found.items() if not isinstance(value, (dict, list))}
    for device, latency in found.get("latency", {}).items():
        row |= {f"{device}_{key}": value for key, value in latency.items()}
    return row


def words(options: Mapping[str, Any]) -> list[str]:
    """Options of a search as words of a command line: ``latency`` and ``throughput`` may be one limit, or one for each of several devices."""
    line: list[str] = []
    for name in ["latency", "throughput"]:
        limits = options.get(name)
        if isinstance(limits, Mapping):
            for device, limit in limits.items():
                line += [f"--{name}", f"{device}={limit}"]
        elif limits is not None:
            line += [f"--{name}", str(limits)]
    return line + program.words({name: value for name, value in options.items() if name not in ("latency", "throughput")})


def search(
    *,
    device: str | None = None,
    latency: str | Mapping[str, str] | None = None,
    out: str | os.PathLike[str] | None = None,
    callback: Callable[[Progress], object] | None = None,
    progress: bool = False,
    **options: Any,
) -> Run:
    """Searches the network with the greatest score inside the budgets, as ``edgezen search`` does, in this process and on all cores.

    ``latency`` is a budget per image on ``device`` (``"80ms"``), or one for each of several devices
    (``{"pixel2": "80ms", "v100": "0.3ms"}``). Every other option of the command is a keyword: ``space="mobilenet"``, ``flops="400M"``,
    ``params="5M"``, ``layers=14``, ``iterations=96_000``, ``seed=1``, ``threads=2``, ``verify=3``. ``out`` is the folder of the run; without
    it, one is made in the place for temporary files, and stays there. ``callback`` hears some twenty times a second how far the search is
    (:class:`Progress`); ``progress`` shows it on stderr.

    Ctrl-C, and what the callback raises, stop the search after a checkpoint and are raised here; ``search(resume=True, out=folder)`` goes on
    with it. With ``verify``, which measures, the search runs in a process of its own.

    Raises InfeasibleError where no network fits, UsageError for options that make no sense.
    """
    if out is None:
        import tempfile

        folder = Path(tempfile.mkdtemp(prefix="edgezen-")) / "run"
    else:
        folder = Path(out)
    line = ["search", *words({"latency": latency, "device": device, "out": folder, **options})]
    if options.get("verify"):
        result = program.measure(*line, progress=progress)
    else:
        result = program.run(*line, callback=_listener(callback, progress))
    # The run knows for which images and classes it searched.
    info = program.run("info", "--", folder)
    usual = {name: info[name] for name in ("resolution", "classes", "se")}
    networks = [Network(found["net"], **usual, found=found) for found in result["front"]]
    return Run(Network(result["best"]["net"], **usual, found=result["best"]), networks, folder, result)


def _listener(
    callback: Callable[[Progress], object] | None, shown: bool
) -> Callable[[int, int, float | None, int], object] | None:
    """What hears how far the search is."""
    if callback is None and not shown:
        return None

    def hear(*news: Any) -> None:
        now = Progress(*news)
        if shown:
            import sys

            best = "" if now.best is None else f", score {now.best:.2f}"
            end = "\n" if now.iteration >= now.iterations else ""
            print(f"\r{now.iteration} of {now.iterations} iterations{best}", end=end, file=sys.stderr, flush=True)
        if callback is not None:
            callback(now)

    return hear
