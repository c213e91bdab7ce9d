"""Predicted latencies."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any

from . import models, program

#: Networks of one call of the program: a command line has room for their structures.
AT_ONCE = 1_000


@dataclass(frozen=True)
class Latency:
    """The predicted latency of a network on a device, per image, with its 90 % interval in milliseconds.

    ``charged_ms`` is what a search holds against a budget: ``ms``, with the upper end of the interval for kernels outside the predictor's
    domain, and ``coverage`` (0 to 1) the share of it inside. ``coverage_macs`` is the share of the multiply-accumulates that are in
    ``ms``, or None for predictors of whole networks. ``missing`` names what the predictor has no model for. ``images_per_s`` is there
    where the identity states throughputs; ``ms`` is then no latency. ``blocks`` is where the time goes, if it was asked for.
    """

    net: str
    device: str
    ms: float
    lower_ms: float
    upper_ms: float
    charged_ms: float
    coverage: float
    coverage_macs: float | None
    images_per_s: float | None
    missing: list[dict[str, Any]]
    blocks: list[dict[str, Any]] | None

    def __float__(self) -> float:
        return self.ms


def predict(
    model: Any,
    device: str | None = None,
    input: tuple[int, int, int, int] | None = None,
    *,
    predictor: str | os.PathLike[str] | None = None,
    classes: int | None = None,
    se: bool = False,
    batch: int | None = None,
    partial: bool = False,
    breakdown: bool = False,
) -> Any:
    """The latency of a network on a device, per image, with its 90 % interval; of a list of networks, a list.

    ``model`` is a name, a structure string, a path (.onnx, .tflite), an :class:`edgezen.Network`, or a ``torch.nn.Module``, which is
    exported as ONNX first. ``device`` is the name of a device (``"pixel2"``, ``"galaxy_s25@qnn@w8a8"``), or ``predictor`` the file of one.
    ``input`` is the shape of the images as batch, channels, height, width; None leaves the network's own, or 224 pixels. ``batch`` is
    the number of images of a run, where the predictor knows several. ``partial`` gives a number although more than 5 % of the
    multiply-accumulates of a file are missing from it. ``breakdown`` adds the shares of the blocks.

    Raises UsageError for a device or a network that does not exist, OutsideDomainError for a file that cannot be priced.
    """
    several = isinstance(model, (list, tuple))
    asked = model if several else [model]
    common = {
        "device": device,
        "predictor": predictor,
        "batch": batch,
        "partial": partial,
        "breakdown": breakdown,
    }
    latencies: list[Latency] = []
    for options, group in _alike(asked, input, classes, se):
        latencies += _of(group, input, program.words({**common, **options}))
    return latencies if several else latencies[0]


def _alike(asked: Sequence[Any], input: Any, classes: int | None, se: bool) -> Any:
    """Runs of networks that have the same options, in their order."""
    group: list[Any] = []
    common: dict[str, Any] = {}
    for model in asked:
        options = models.options(model, input, classes, se)
        if group and options != common:
            yield common, group
            group = []
        common = options
        group.append(model)
    if group:
        yield common, group


def _of(group: list[Any], shape: Any, line: list[str]) -> list[Latency]:
    found: list[Latency] = []
    rest = iter(group)
    while part := list(islice(rest, AT_ONCE)):
        with ExitStack() as stack:
            texts = [stack.enter_context(models.as_text(model, shape)) for model in part]
            rows = program.run("predict", *line, *texts)
        found += [_latency(row) for row in rows]
    return found


def _latency(row: dict[str, Any]) -> Latency:
    named = {name: row[name] for name in ("net", "device", "ms", "lower_ms", "upper_ms", "charged_ms", "coverage", "missing")}
    rest = {name: row.get(name) for name in ("coverage_macs", "images_per_s", "blocks")}
    return Latency(**named, **rest)
