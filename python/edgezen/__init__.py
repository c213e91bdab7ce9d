"""Latency of image networks on real devices: predict, measure, and search networks inside a budget.

>>> import edgezen
>>> edgezen.predict("mobilenet_v2", device="pixel2").ms          # milliseconds per image
>>> run = edgezen.search(device="pixel2", latency="80ms")        # the best network that fits
>>> run.best.to_onnx("best.onnx")
"""

from __future__ import annotations

from contextlib import ExitStack
from importlib import metadata
from typing import Any

from . import models, program
from .errors import (
    BadFileError,
    DeviceLostError,
    EdgezenError,
    InfeasibleError,
    NoisyError,
    OutsideDomainError,
    UsageError,
)
from .network import Network
from .predicting import Latency, predict
from .searching import Run, search

__version__ = metadata.version("edgezen")

__all__ = [
    "BadFileError",
    "DeviceLostError",
    "EdgezenError",
    "InfeasibleError",
    "Latency",
    "Network",
    "NoisyError",
    "OutsideDomainError",
    "Run",
    "UsageError",
    "__version__",
    "devices",
    "info",
    "measure",
    "networks",
    "predict",
    "score",
    "search",
]


def score(model: Any, proxy: str = "zen", input: tuple[int, int, int, int] | None = None, **options: Any) -> Any:
    """The zero-shot score of a network, or of each in a list: ``proxy="zen"``, ``"naswot"``, ``"params"``, …; options are those of
    ``edgezen score``, as ``engine="exact"`` and ``repeats=8``. Networks of a list are scored with the images of the first one."""
    several = isinstance(model, (list, tuple))
    asked = model if several else [model]
    if not asked:
        return []
    with ExitStack() as stack:
        texts = [stack.enter_context(models.as_text(one, input)) for one in asked]
        own = models.options(asked[0], input, None, False)
        rows = program.run("score", *texts, *program.words({**own, "proxy": proxy, **options}))
    scores = [row["score"] for row in rows]
    return scores if several else scores[0]


def info(model: Any, input: tuple[int, int, int, int] | None = None) -> dict[str, Any]:
    """Layers, parameters, multiply-accumulates, memory and blocks of a network."""
    with models.as_text(model, input) as text:
        return program.run("info", text, *program.words(models.options(model, input, None, False)))


def measure(model: Any, device: str = "host", input: tuple[int, int, int, int] | None = None, **options: Any) -> dict[str, Any]:
    """The true latency of a network on this computer or an attached device: what ``edgezen measure`` says of it, such as ``median_ms``.

    Raises NoisyError where the measurement cannot be relied on.
    """
    with models.as_text(model, input) as text:
        own = models.options(model, input, None, False)
        [row] = program.run("measure", text, *program.words({"device": device, **own, **options}))
    return row


def networks() -> list[dict[str, Any]]:
    """The names that stand for networks."""
    return program.run("networks", "list")


def devices() -> dict[str, Any]:
    """The devices that are known, those with a predictor among them."""
    return program.run("devices", "list")
