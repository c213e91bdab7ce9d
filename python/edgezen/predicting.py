"""Predicted latencies."""

from __future__ import annotations

import functools
import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, overload

from . import counts, models, program
from .errors import UsageError
from .extension import extension
from .packages import needed

#: Files that are read in one call: each is parsed, and held in memory until the call ends.
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
    coverage_macs: float | None = None
    images_per_s: float | None = None
    blocks: list[dict[str, Any]] | None = None
    _missing: Callable[[], list[dict[str, Any]]] = field(default=list, repr=False, compare=False)

    @property
    def missing(self) -> list[dict[str, Any]]:
        """What the predictor has no model for: ``name``, ``count``, ``macs`` (for one image) and ``left_out`` of each kind."""
        return self._missing()

    def __float__(self) -> float:
        return self.ms

    def frame(self) -> Any:
        """Where the time goes as a pandas data frame, a row for each block: ``block``, ``kernels``, ``ms``, and what else ``blocks`` has. Needs pandas,
        and a prediction with ``breakdown=True``."""
        if self.blocks is None:
            raise UsageError("the prediction has no breakdown", "edgezen.predict(model, device, breakdown=True)", 2)
        return needed("pandas", "Latency.frame").DataFrame(self.blocks)


class Latencies(Sequence[Latency]):
    """The predicted latencies of several networks, in their order: a sequence of :class:`Latency`.

    ``ms``, ``lower_ms``, ``upper_ms``, ``charged_ms`` and ``coverage`` are arrays of as many floats as there are networks, which
    ``numpy.asarray`` takes without copying; ``images_per_s`` is one where the identity states throughputs, else None.
    """

    def __init__(self, nets: list[str], device: str, arrays: dict[str, array[float]], again: Callable[[str], Latency]) -> None:
        self.nets = nets
        self.device = device
        self.ms = arrays["ms"]
        self.lower_ms = arrays["lower_ms"]
        self.upper_ms = arrays["upper_ms"]
        self.charged_ms = arrays["charged_ms"]
        self.coverage = arrays["coverage"]
        self.images_per_s = arrays.get("images_per_s")
        self._again = again

    def __len__(self) -> int:
        return len(self.nets)

    @overload
    def __getitem__(self, index: int) -> Latency: ...
    @overload
    def __getitem__(self, index: slice) -> list[Latency]: ...
    def __getitem__(self, index: int | slice) -> Latency | list[Latency]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        net = self.nets[index]
        return Latency(
            net,
            self.device,
            self.ms[index],
            self.lower_ms[index],
            self.upper_ms[index],
            self.charged_ms[index],
            self.coverage[index],
            images_per_s=self.images_per_s[index] if self.images_per_s is not None else None,
            _missing=functools.partial(_missing_of, self._again, net),
        )

    def frame(self) -> Any:
        """The latencies as a pandas data frame, a row for each network. Needs pandas."""
        pandas = needed("pandas", "Latencies.frame")
        columns = {"ms": self.ms, "lower_ms": self.lower_ms, "upper_ms": self.upper_ms, "charged_ms": self.charged_ms}
        columns |= {"coverage": self.coverage} | ({"images_per_s": self.images_per_s} if self.images_per_s is not None else {})
        return pandas.DataFrame({"net": self.nets, **{name: list(numbers) for name, numbers in columns.items()}})

    def __iter__(self) -> Iterator[Latency]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<Latencies of {len(self)} networks on {self.device}>"


@overload
def predict(
    model: models.Model,
    device: str | None = None,
    input: models.Input | None = None,
    *,
    predictor: str | os.PathLike[str] | None = None,
    classes: int | None = None,
    se: bool = False,
    batch: int | None = None,
    partial: bool = False,
    breakdown: bool = False,
) -> Latency: ...
@overload
def predict(
    model: Sequence[models.Model],
    device: str | None = None,
    input: models.Input | None = None,
    *,
    predictor: str | os.PathLike[str] | None = None,
    classes: int | None = None,
    se: bool = False,
    batch: int | None = None,
    partial: bool = False,
    breakdown: bool = False,
) -> Sequence[Latency]: ...
def predict(
    model: Any,
    device: str | None = None,
    input: models.Input | None = None,
    *,
    predictor: str | os.PathLike[str] | None = None,
    classes: int | None = None,
    se: bool = False,
    batch: int | None = None,
    partial: bool = False,
    breakdown: bool = False,
) -> Any:
    """The latency of a network on a device, per image, with its 90 % interval; of a list of networks, a sequence.

    ``model`` is a name, a structure string, a path (.onnx, .tflite), an :class:`edgezen.Network`, or a ``torch.nn.Module``, which is
    exported as ONNX first. ``device`` is the name of a device (``"pixel2"``, ``"galaxy_s25@qnn@w8a8"``), or ``predictor`` the file of one.
    ``input`` is the shape of the images as (batch, channels, height, width); None leaves the network's own, or 224 pixels. ``batch`` is
    the number of images of a run, where the predictor knows several, and so is a first number of ``input`` above 1; without either, runs have
    as many images as the identity of the predictor says. ``partial`` gives a number although more than 5 % of the
    multiply-accumulates of a file are missing from it. ``breakdown`` adds the shares of the blocks.

    Of a list of names and structures alone, the result is :class:`Latencies`: it is made on all cores, and has its numbers as
    arrays, too.

    Raises UsageError for a device or a network that does not exist, for a batch that the predictor does not know, and for an ``input`` that the
    images of the network cannot have; OutsideDomainError for a file that cannot be priced, BadFileError for a
    damaged one.
    """
    several = isinstance(model, (list, tuple))
    asked = model if several else [model]
    if (device is None) == (predictor is None):
        raise UsageError("a prediction needs either a device or a predictor", 'device="pixel2", or predictor="file.json"', 2)
    batch = counts.whole("batch, the images of a run,", batch, 1, counts.MOST_IMAGES)
    batch = models.images(input, batch)
    classes = counts.whole("classes", classes, 1, counts.MOST_CLASSES)
    source = _Source(device, os.fspath(predictor) if predictor is not None else None, batch, partial, breakdown)
    groups = [source.of(group, input) for group in models.alike(asked, input, classes, se)]
    if not several:
        return groups[0][0]
    if len(groups) == 1:
        return groups[0]
    return [latency for group in groups for latency in group]


@dataclass(frozen=True)
class _Source:
    """What predicts, and how."""

    device: str | None
    predictor: str | None
    batch: int | None
    partial: bool
    breakdown: bool

    def of(self, group: models.Group, shape: models.Input | None) -> Sequence[Latency]:
        """The latencies of networks that are alike."""
        options, given, nets = group
        if self.breakdown or nets is None:
            return self._one_by_one(given, shape, options)
        loaded, identity, remarks = extension.load(self.device, self.predictor, self.batch)
        program.heard(["predict"], remarks)
        size = options.get("resolution")
        arrays = extension.predict_many(
            loaded, nets, None if size is None else str(size), options.get("classes"), bool(options.get("se")), self.partial
        )
        numbers = {name: array("d", content) for name, content in arrays.items()}
        return Latencies(nets, identity, numbers, functools.partial(_again, self, shape, options))

    def _one_by_one(self, group: list[Any], shape: models.Input | None, options: dict[str, Any]) -> list[Latency]:
        """The same with all that edgezen can say of each network."""
        given = {
            "device": self.device,
            "predictor": self.predictor,
            "batch": self.batch,
            "partial": self.partial,
            "breakdown": self.breakdown,
        }
        line = program.words({**given, **options})
        found: list[Latency] = []
        for start in range(0, len(group), AT_ONCE):
            with ExitStack() as stack:
                part = group[start : start + AT_ONCE]
                texts = [stack.enter_context(models.as_text(model, shape)) for model in part]
                found += [_latency(row) for row in program.run("predict", *line, "--", *texts)]
        return found


def _again(source: _Source, shape: models.Input | None, options: dict[str, Any], net: str) -> Latency:
    """The latency of one network of a list with all that edgezen can say of it."""
    return source._one_by_one([net], shape, options)[0]


# Latencies go to other processes, which is why these are no functions inside others.


def _missing_of(again: Callable[[str], Latency], net: str) -> list[dict[str, Any]]:
    return again(net).missing


def _known(missing: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return missing


def _latency(row: dict[str, Any]) -> Latency:
    named: dict[str, Any] = {name: row[name] for name in ("net", "device", "ms", "lower_ms", "upper_ms", "charged_ms", "coverage")}
    rest: dict[str, Any] = {name: row.get(name) for name in ("coverage_macs", "images_per_s", "blocks")}
    return Latency(**named, **rest, _missing=functools.partial(_known, row["missing"]))
