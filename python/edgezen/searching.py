"""Searches: the best network inside budgets, and the front of others beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from . import own, program
from .errors import EdgezenError, UsageError
from .network import Network
from .packages import needed
from .temporary import TemporaryFolder, of_run


@dataclass(frozen=True)
class Run:
    """What a search found: the ``best`` network, the ``front`` of score against each budget, and all that the program printed
    (``result``). ``folder`` holds its files. Where the search was given no ``out``, they are there as long as the run is in memory; another
    process that gets a run (pickled) does not keep them."""

    best: Network
    #: Some tens of networks: a notebook shows the best one.
    front: list[Network] = field(repr=False)
    folder: Path
    result: dict[str, Any] = field(repr=False)
    #: Keeps the folder, where nobody said a place for it.
    _temporary: TemporaryFolder | None = field(default=None, repr=False, compare=False)

    def rows(self) -> list[dict[str, Any]]:
        """The front as a list of dicts, one for each network: ``net``, ``score``, its costs, and for each device the latency and its
        interval in milliseconds, as ``pixel2_ms``, ``pixel2_lower_ms``, ``pixel2_upper_ms``."""
        return [_row(network) for network in self.front]

    def frame(self) -> Any:
        """The same as a pandas data frame. Needs pandas."""
        return needed("pandas", "Run.frame").DataFrame(self.rows())


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
    """Options of a search as words of a command line: ``latency`` and ``throughput`` may be one limit, or one for each of several devices.
    Raises UsageError for functions, which only the process has that searches."""
    limits = options.get("latency")
    given = [options.get("device"), options.get("proxy"), *(limits if isinstance(limits, Mapping) else [])]
    for function in filter(callable, given):
        raise UsageError(f"{function!r} is a function, which other processes do not have", "edgezen.search, in this process", 2)
    line: list[str] = []
    for name in ["latency", "throughput"]:
        limits = options.get(name)
        if isinstance(limits, Mapping):
            for device, limit in limits.items():
                line += [f"--{name}", f"{device}={limit}"]
        elif limits is not None:
            line += [f"--{name}", str(limits)]
    return line + program.words({name: value for name, value in options.items() if name not in ("latency", "throughput")})


#: What keeps a run that did not come to its end.
_KEPT = "search again with out=folder, which keeps the run: resume=True goes on with it"


def search(
    *,
    device: str | own.OfNetwork | None = None,
    latency: str | Mapping[str | own.OfNetwork, str] | None = None,
    proxy: str | own.OfNetwork | None = None,
    out: str | os.PathLike[str] | None = None,
    callback: Callable[[Progress], object] | None = None,
    progress: bool = False,
    **options: Any,
) -> Run:
    """Searches the network with the greatest score inside the budgets, as ``edgezen search`` does, in this process and on all cores.

    ``latency`` is a budget per image on ``device`` (``"80ms"``), or one for each of several devices
    (``{"pixel2": "80ms", "v100": "0.3ms"}``). Every other option of the command is a keyword: ``space="mobilenet"``, ``flops="400M"``,
    ``params="5M"``, ``layers=14``, ``iterations=96_000``, ``seed=1``, ``threads=2``, ``verify=3``. ``out`` is the folder of the run; without
    it, one is made in the place for temporary files, which is removed when the search fails, when its :class:`Run` is no longer in memory, and
    when Python ends. ``callback`` hears some twenty times a second how far the search is
    (:class:`Progress`); ``progress`` shows it on stderr.

    ``proxy`` is what is maximised: a name, or a function of yours of an :class:`edgezen.Network` that gives a finite number, the greater the
    better. A function that gives milliseconds per image may stand in the place of a device: ``device=mine, latency="5ms"``, or
    ``latency={mine: "5ms", "pixel2": "80ms"}``; results call it by its name. Functions are called by the thread that called this, one
    network at a time, for every network that a search looks at: ``iterations`` networks and some hundred more, so that a function of a
    millisecond makes a search of 96,000 iterations last two minutes where it lasted one second. Say how many ``iterations`` you have time
    for. The same seed gives the same networks where the function gives the same numbers. What a function raises ends the search, with a
    note that names the network.

    Ctrl-C, and what the callback raises, stop the search after a checkpoint and are raised here; ``search(resume=True, out=folder)`` goes on
    with it. With ``verify``, which measures, the search runs in a process of its own.

    Raises InfeasibleError where no network fits, UsageError for options that make no sense and for functions that give no number.
    """
    if out is None and options.get("resume"):
        raise UsageError("a search without out has no earlier run to go on with", "out=folder, the folder of that run", 2)
    if options.get("verify") and any(map(callable, [proxy, device, *(latency if isinstance(latency, Mapping) else [])])):
        raise UsageError("verify measures in another process, which has none of your functions", "edgezen.measure(run.best)", 2)
    functions = program.Functions(_listener(callback, progress))
    if callable(proxy):
        functions.proxy = (own.name(proxy), own.score(proxy))
        proxy = None
    named, limits = _named(device, functions), _limits(latency, functions)
    made: TemporaryFolder | None = None
    if out is None:
        made = TemporaryFolder()
        folder = made.run
    else:
        folder = Path(out)
    try:
        line = ["search", *words({"latency": limits, "device": named, "proxy": proxy, "out": folder, **options})]
        if options.get("verify"):
            result = program.measure(*line, progress=progress)
        else:
            result = program.run(*line, functions=functions)
        # The run knows for which images and classes it searched.
        info = program.run("info", "--", folder)
    except BaseException as error:
        if made is not None:
            # What a process of its own said went to stderr already, and may name the folder as the place to go on in.
            told = progress and bool(options.get("verify")) and folder.exists()
            made.remove()
            if told:
                import sys

                print(f"{folder} was a temporary folder, and is removed; {_KEPT}", file=sys.stderr)
            # A remedy that goes on with the run would lead to a folder that is gone.
            if isinstance(error, EdgezenError) and (told or str(folder) in (error.remedy or "")):
                raise type(error)(error.message, _KEPT, error.code) from None
        raise
    usual = {name: info[name] for name in ("resolution", "classes", "se")}
    networks = [Network(found["net"], **usual, found=found) for found in result["front"]]
    return Run(Network(result["best"]["net"], **usual, found=result["best"]), networks, folder, result, made or of_run(folder))


def _named(device: str | own.OfNetwork | None, functions: program.Functions) -> str | None:
    """The name of a device, or of a function in its place, which is remembered."""
    if device is None or isinstance(device, str):
        return device
    name, known = own.name(device), [known for known, _ in functions.asked]
    if device in known:
        return name
    if name in functions.predictors:
        raise UsageError(f"two functions are called {name}", "another name for one of them: function.__name__ = ...", 2)
    functions.asked.append((device, name))
    functions.predictors[name] = own.latency(device)
    return name


def _limits(
    latency: str | Mapping[str | own.OfNetwork, str] | None, functions: program.Functions
) -> str | Mapping[str, str] | None:
    """Budgets on latencies by the names of devices."""
    if not isinstance(latency, Mapping):
        return latency
    return {str(_named(device, functions)): limit for device, limit in latency.items()}


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
