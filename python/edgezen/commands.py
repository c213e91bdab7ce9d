"""What edgezen says of networks and devices, a function for each command."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from threading import Thread
from typing import Any, overload

from . import counts, models, program
from .errors import UsageError
from .extension import extension

#: Networks that :func:`sample` draws in one call: they and their texts take more than a gigabyte of memory.
MOST_SAMPLES = 1_000_000
#: As many are drawn in a fraction of a second.
FEW_SAMPLES = 10_000


@overload
def score(
    model: models.Model,
    proxy: str = "zen",
    input: models.Input | None = None,
    *,
    mode: str = "paper",
    seed: int = 0,
    **options: Any,
) -> float: ...
@overload
def score(
    model: Sequence[models.Model],
    proxy: str = "zen",
    input: models.Input | None = None,
    *,
    mode: str = "paper",
    seed: int = 0,
    **options: Any,
) -> list[float]: ...
def score(
    model: Any,
    proxy: str = "zen",
    input: models.Input | None = None,
    *,
    mode: str = "paper",
    seed: int = 0,
    **options: Any,
) -> Any:
    """The zero-shot score of a network (a number without unit, greater is better), or of each in a list.

    ``proxy`` is ``"zen"``, ``"naswot"``, ``"params"``, … (``edgezen score --help``), or several with ``+`` between them, which rank the
    networks of the list among one another. ``input`` is the shape of the images as (batch, channels, height, width); None leaves each
    network's own, or 224 pixels. ``mode`` is the Zen-Score of the ``"paper"``, or the ``"reference"``, as released. Other options are
    those of ``edgezen score``, as ``engine="exact"`` and ``repeats=8``; without them, closed forms are computed on all cores.

    Raises UsageError for a proxy or a network that does not exist, and for a network of which the score is not defined.
    """
    several = isinstance(model, (list, tuple))
    asked = model if several else [model]
    seed = counts.whole("seed", seed, 0, counts.LARGEST_SEED)
    classes = counts.whole("classes", options.pop("classes", None), 1, counts.MOST_CLASSES)
    scores: list[float] = []
    groups = list(models.alike(asked, input, classes, options.pop("se", False)))
    if "+" in proxy and len(groups) > 1:
        raise UsageError("an ensemble of proxies ranks networks with the same input", "give all of them the same input", 2)
    closed = not options and "+" not in proxy and proxy in extension.closed_forms
    for own, group, nets in groups:
        if closed and nets is not None:
            size = own.get("resolution")
            size = None if size is None else str(size)
            content = extension.score_many(nets, proxy, mode, seed, size, own.get("classes"), bool(own.get("se")))
            scores += array("d", content)
            continue
        with ExitStack() as stack:
            texts = [stack.enter_context(models.as_text(one, input)) for one in group]
            line = program.words({**own, "proxy": proxy, "mode": mode, "seed": seed, **options})
            scores += [row["score"] for row in program.run("score", *line, "--", *texts)]
    return scores if several else scores[0]


def sample(space: str, count: int, seed: int = 0) -> list[str]:
    """``count`` structures of a search space (``"mobilenet"``, ``"resnet"``, …), by a walk at random that the seed fixes; at most a million.

    Ctrl-C ends the wait for them. Raises UsageError for a space that is not known, and for a count or a seed that is out of range.
    """
    seed = counts.whole("seed", seed, 0, counts.LARGEST_SEED)
    remedy = f"a whole number from 0 to {MOST_SAMPLES}; for more networks, several calls with other seeds"
    count = counts.whole("count", count, 0, MOST_SAMPLES, remedy)
    if count <= FEW_SAMPLES:
        return extension.sample(space, count, seed)
    # The extension does not look for Ctrl-C here, so another thread draws, which is left alone where nobody waits for it any longer.
    drawn: Future[list[str]] = Future()

    def draw() -> None:
        try:
            drawn.set_result(extension.sample(space, count, seed))
        except BaseException as error:
            drawn.set_exception(error)

    Thread(target=draw, name="edgezen.sample", daemon=True).start()
    return drawn.result()


def info(model: models.Model, input: models.Input | None = None) -> dict[str, Any]:
    """Layers, parameters, multiply-accumulates (for one image), memory (bytes) and blocks of a network. Raises UsageError for an ``input``
    that its images cannot have."""
    with models.as_text(model, input) as text:
        return program.run("info", *program.words(models.options(model, input, None, False)), "--", text)


def measure(
    model: models.Model, device: str = "host", input: models.Input | None = None, **options: Any
) -> dict[str, Any]:
    """The true latency of a network on this computer or an attached device: what ``edgezen measure`` says of it, such as ``median_ms``
    (milliseconds per image). It is measured in processes of their own.

    Raises UsageError for an ``input`` that the images of the network cannot have, and for more than one image; NoisyError where the measurement cannot be relied on, DeviceLostError where the device is gone or busy.
    """
    batch = models.images(input, None)
    if batch is not None:
        raise UsageError(f"runs of one image are measured, not of {batch}", "1 as the first number of input", 2)
    with models.as_text(model, input) as text:
        own = models.options(model, input, None, False)
        [row] = program.measure("measure", *program.words({"device": device, **own, **options}), "--", text)
    return row


def networks() -> list[dict[str, Any]]:
    """The names that stand for networks."""
    return program.run("networks", "list")


def devices() -> dict[str, Any]:
    """The devices that are known, those with a predictor among them."""
    return program.run("devices", "list")
