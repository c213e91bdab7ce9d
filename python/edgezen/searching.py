"""Searches: the best network inside budgets, and the front of others beside it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def frame(self) -> Any:
        """The front as a pandas data frame: a row for each network, latencies in milliseconds. Needs pandas."""
        import pandas

        return pandas.DataFrame([_row(network) for network in self.front])


def _row(network: Network) -> dict[str, Any]:
    found = network.found
    row = {key: value for key, value in found.items() if not isinstance(value, (dict, list))}
    for device, latency in found.get("latency", {}).items():
        row |= {f"{device}_{key}": value for key, value in latency.items()}
    return row


def search(
    *,
    device: str | None = None,
    latency: str | Mapping[str, str] | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
    **options: Any,
) -> Run:
    """Searches the network with the greatest score inside the budgets, as ``edgezen search`` does.

    ``latency`` is a budget per image on ``device`` (``"80ms"``), or one for each of several devices
    (``{"pixel2": "80ms", "v100": "0.3ms"}``). Every other option of the command is a keyword: ``space="mobilenet"``, ``flops="400M"``,
    ``params="5M"``, ``layers=14``, ``iterations=96_000``, ``seed=1``, ``verify=3``. ``out`` is the folder of the run; without it, one is made
    in the place for temporary files, and stays there.

    Raises InfeasibleError where no network fits.
    """
    limits: list[str] = []
    if isinstance(latency, Mapping):
        for name, limit in latency.items():
            limits += ["--latency", f"{name}={limit}"]
    elif latency is not None:
        limits = ["--latency", str(latency)]
    folder = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="edgezen-")) / "run"
    line = program.words({"device": device, "out": folder, **options})
    result = program.run("search", *limits, *line, progress=progress)
    # The run knows for which images and classes it searched.
    info = program.run("info", folder)
    usual = {name: info[name] for name in ("resolution", "classes", "se")}
    networks = [Network(found["net"], **usual, found=found) for found in result["front"]]
    return Run(Network(result["best"]["net"], **usual, found=result["best"]), networks, folder, result)
