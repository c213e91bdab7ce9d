"""Networks as lists of whole numbers, for samplers of other packages (:mod:`edgezen.optuna`, :mod:`edgezen.pymoo`, or any other)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from . import score
from .errors import UsageError
from .models import listed
from .predicting import predict

#: A function of the structure strings of networks that gives a number for each.
Own: TypeAlias = "Callable[[list[str]], Sequence[float]]"
#: The name of a device, or a predictor of one's own, which gives milliseconds per image.
Device: TypeAlias = "str | Own"
#: The name of a proxy, or one of one's own.
Proxy: TypeAlias = "str | Own"


@dataclass(frozen=True)
class Coding:
    """A part of a search space: networks of a few stages, each of which has three numbers: the kind of its blocks, its width, and how many
    blocks it has."""

    #: The first convolution, and its channels.
    stem: tuple[str, int]
    #: What the blocks of a stage may be: the name of the block, and its hidden width as a share of the channels that come out.
    kinds: tuple[tuple[str, float], ...]
    #: Of each stage: the least and the greatest width in units of eight channels, and its stride.
    stages: tuple[tuple[int, int, int], ...]
    most_blocks: int
    #: The last convolution, and its channels.
    head: tuple[str, int]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The least and the greatest value of each number."""
        return [
            limits
            for least, most, _ in self.stages
            for limits in [(0, len(self.kinds) - 1), (least, most), (1, self.most_blocks)]
        ]

    def structure(self, numbers: Sequence[int]) -> str:
        """The structure string of the network that these numbers stand for. Raises UsageError for others than :attr:`ranges` allows."""
        given, ranges = [int(number) for number in numbers], self.ranges
        if len(given) != len(ranges) or not all(least <= n <= most for n, (least, most) in zip(given, ranges, strict=True)):
            raise UsageError(f"{given} stand for no network", f"{len(ranges)} whole numbers, each in its range (Coding.ranges)", 2)
        name, channels = self.stem
        text = f"{name}(3,{channels},2,1)"
        for (_, _, stride), (kind, width, blocks) in zip(self.stages, zip(*[iter(given)] * 3, strict=True), strict=True):
            block, share = self.kinds[kind]
            out = 8 * width
            text += f"{block}({channels},{out},{stride},{max(8, round(out * share / 8) * 8)},{blocks})"
            channels = out
        name, out = self.head
        return text + f"{name}({channels},{out},1,1)"


#: Inverted residual blocks, of one, two, four or six times their width, with kernels of 3 or 5.
MOBILENETS = Coding(
    stem=("SuperConvK3BNRELU", 16),
    kinds=tuple((f"SuperResIDWE{expansion}K{kernel}", 1.0) for expansion in (1, 2, 4, 6) for kernel in (3, 5)),
    stages=((2, 4, 2), (3, 6, 2), (5, 12, 2), (8, 20, 1), (12, 40, 2)),
    most_blocks=4,
    head=("SuperConvK1BNRELU", 1280),
)

#: Residual blocks, plain or with bottlenecks of a quarter of their width, with kernels of 3 or 5.
RESNETS = Coding(
    stem=("SuperConvK3BNRELU", 32),
    kinds=tuple(
        kind for kernel in (3, 5) for kind in [(f"SuperResK{kernel}K{kernel}", 1.0), (f"SuperResK1K{kernel}K1", 0.25)]
    ),
    stages=((4, 16, 2), (8, 32, 2), (16, 64, 2), (32, 128, 2)),
    most_blocks=4,
    head=("SuperConvK1BNRELU", 1024),
)

_BY_SPACE = {"mobilenet": MOBILENETS, "resnet": RESNETS}


def of_space(space: str | Coding) -> Coding:
    """The coding of a search space by its name, ``"mobilenet"`` or ``"resnet"``; one of your own is taken as it is."""
    if isinstance(space, Coding):
        return space
    try:
        return _BY_SPACE[space]
    except KeyError:
        raise UsageError(f"no coding of the search space {space!r}", f"{', '.join(_BY_SPACE)}, or an edgezen.coding.Coding", 2) from None


def milliseconds(limit: str | float) -> float:
    """A budget on a latency in milliseconds: of a number as it is, of a text as ``"80ms"``, ``"300us"`` or ``"1.2s"``."""
    if isinstance(limit, (int, float)):
        return float(limit)
    for ending, factor in [("ms", 1.0), ("us", 1e-3), ("µs", 1e-3), ("s", 1e3)]:
        number = limit.strip().removesuffix(ending)
        if number != limit.strip():
            try:
                return float(number) * factor
            except ValueError:
                break
    raise UsageError(f"{limit!r} is no time", '"80ms", "300us", "1.2s", or a number of milliseconds', 2)


def latencies(device: Device, nets: Sequence[str]) -> Sequence[float]:
    """The latency of each network in milliseconds per image."""
    return _own(device, nets) if callable(device) else predict(listed(nets), device).ms


def charged(device: Device, nets: Sequence[str]) -> Sequence[float]:
    """What is held against a budget: the latency, with the upper end of the interval for kernels outside the predictor's domain."""
    return _own(device, nets) if callable(device) else predict(listed(nets), device).charged_ms


def scores(proxy: Proxy, nets: Sequence[str]) -> Sequence[float]:
    """The score of each network."""
    return _own(proxy, nets) if callable(proxy) else score(listed(nets), proxy)


def name(device: Device) -> str:
    """What results are called by."""
    return getattr(device, "__name__", type(device).__name__) if callable(device) else device


def _own(function: Own, nets: Sequence[str]) -> Sequence[float]:
    nets = listed(nets)
    numbers = [float(number) for number in function(nets)]
    if len(numbers) != len(nets):
        raise UsageError(f"{name(function)} gave {len(numbers)} numbers for {len(nets)} networks", "one for each, in their order", 2)
    return numbers
