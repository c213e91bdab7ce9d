"""What users call a model, as the text by which edgezen knows networks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from . import counts, program
from .errors import EdgezenError, UsageError
from .network import Network

if TYPE_CHECKING:
    from torch import nn

#: The shape of images: batch, channels, height, width.
Input: TypeAlias = "tuple[int, int, int, int]"

#: What stands for a network: a name, a structure string, a path, a Network, or a module of PyTorch.
Model: TypeAlias = "str | os.PathLike[str] | Network | nn.Module"

#: Files of other programs, by the ends of their names.
_ENDINGS = (".onnx", ".tflite")


def is_module(model: Any) -> bool:
    """Whether it is a ``torch.nn.Module``; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def is_structure(model: Any) -> bool:
    """Whether it is known by its text alone: a name, a structure string, a code of another search space, or a file that begins with a
    structure, but no file of another program."""
    if not isinstance(model, (str, os.PathLike, Network)):
        return False
    return not text(model).strip().lower().endswith(_ENDINGS)


def text(model: str | os.PathLike[str] | Network) -> str:
    """The text that stands for a network which is no module."""
    return model.net if isinstance(model, Network) else os.fspath(model)


def listed(models: Any) -> list[Any]:
    """Several networks as a list; one as a list of itself, where its text would be taken for a list of letters."""
    return [models] if isinstance(models, (str, os.PathLike, Network)) or is_module(models) else list(models)


@contextmanager
def as_text(model: Any, shape: Input | None) -> Iterator[str]:
    """The text that stands for ``model``; that of a ``torch.nn.Module`` names a file which is there inside the block only.

    ``shape`` is that of the input of a module, as batch, channels, height, width.
    """
    if isinstance(model, (str, os.PathLike, Network)):
        yield text(model)
    elif is_module(model):
        import tempfile

        with tempfile.TemporaryDirectory(prefix="edgezen-") as folder:
            path = os.path.join(folder, f"{type(model).__name__}.onnx")
            _export(model, shape or (1, 3, 224, 224), path)
            yield path
    else:
        raise UsageError(
            f"{type(model).__name__} is no model",
            "a name, a structure string, a path, an edgezen.Network or a torch.nn.Module",
            2,
        )


def _export(module: Any, shape: Input, path: str) -> None:
    """Writes ``module`` as ONNX, in evaluation mode, which it is taken out of again."""
    import inspect

    import torch

    # The exporter by tracing: the other one needs more packages, and older versions of torch do not have it.
    tracing = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    training = module.training
    images = torch.zeros(shape, dtype=next((p.dtype for p in module.parameters()), torch.float32))
    module.eval()
    try:
        torch.onnx.export(module, (images,), path, **tracing)
    finally:
        module.train(training)


def options(model: Any, shape: Sequence[int] | None, classes: int | None, se: bool) -> dict[str, Any]:
    """The options of the command line for one model. A :class:`Network` has its own where none are given; the sizes of a module are in
    its file. Raises UsageError for a shape that the images of the model cannot have."""
    if shape is not None:
        shape = _four(shape)
    if is_module(model):
        return {}
    size = None
    if shape is not None:
        size = f"{shape[2]}x{shape[3]}"
        _check_channels(model, shape[1], size)
    if isinstance(model, Network):
        own = model.resolution
        if size is not None and own is not None and size not in (str(own), f"{own}x{own}"):
            raise UsageError(
                f"the network has images of {own} pixels, the input has {size}",
                "one of the two: resolution of the Network, or input",
                2,
            )
        own_classes = counts.whole("classes", model.classes, 1, counts.MOST_CLASSES)
        return {"resolution": size or own, "classes": classes or own_classes, "se": se or model.se}
    return {"resolution": size, "classes": classes, "se": se}


def images(shape: Sequence[int] | None, batch: int | None) -> int | None:
    """The images of a run: those of ``batch``, or of a shape with more than one; None where neither says so. Raises UsageError where they
    contradict one another."""
    first = 1 if shape is None else counts.whole("batch, the first number of input,", _four(shape)[0], 1, counts.MOST_IMAGES)
    if first == 1 or first == batch:
        return batch
    if batch is not None:
        raise UsageError(f"the input has {first} images, batch is {batch}", "one of the two: batch, or the first number of input", 2)
    return first


def _four(shape: Sequence[int]) -> list[int]:
    """The numbers of a shape. Raises UsageError where they are not four, or one is no size."""
    remedy = "four whole numbers from 1 on: batch, channels, height, width"
    try:
        numbers = [counts.whole("a number of input", number, 1, counts.LONGEST, remedy) for number in shape]
    except TypeError:
        numbers = []
    if len(numbers) != 4:
        raise UsageError(f"{shape!r} is no shape of images", remedy, 2)
    return numbers


def _check_channels(model: Any, channels: int, size: str) -> None:
    """Refuses channels that the images of a model do not have: three, unless a file says otherwise."""
    if not isinstance(model, (str, os.PathLike, Network)):
        return
    own = 3
    if not is_structure(model):
        try:
            described = program.run("info", "--resolution", size, "--", text(model)).get("input")
        except EdgezenError:
            # What is wrong with the file is said by the command that was asked for.
            return
        if not isinstance(described, list) or len(described) != 3:
            return
        own = described[0]
    if channels != own:
        raise UsageError(f"the network has images of {own} channels, the input has {channels}", f"{own} as the second number of input", 2)


class Group(NamedTuple):
    """Networks that have the same options and are of one kind."""

    #: The options of the command line that go with them.
    options: dict[str, Any]
    models: list[Any]
    #: The texts that they are known by; None where one of them is more than its text.
    nets: list[str] | None


def alike(asked: Sequence[Any], shape: Input | None, classes: int | None, se: bool) -> Iterator[Group]:
    """The networks that were asked for in runs of those that are alike, in their order."""
    # Structures are asked about by the thousand; they are looked at all at once.
    whole = _structures(asked, shape, classes, se)
    if whole is not None:
        yield whole
        return
    group: list[Any] = []
    common: tuple[dict[str, Any], bool] | None = None

    def done(common: tuple[dict[str, Any], bool]) -> Group:
        given, known_by_text = common
        return Group(given, group, [text(model) for model in group] if known_by_text else None)

    for model in asked:
        kind = options(model, shape, classes, se), is_structure(model)
        if common is not None and kind != common:
            yield done(common)
            group = []
        common = kind
        group.append(model)
    if common is not None:
        yield done(common)


def _structures(asked: Sequence[Any], shape: Input | None, classes: int | None, se: bool) -> Group | None:
    """All of them as one group, where they are structure strings, or networks with structure strings and the same options."""
    kinds = set(map(type, asked))
    if kinds == {str}:
        nets = list(asked)
    elif kinds == {Network} and len({(model.resolution, model.classes, model.se) for model in asked}) == 1:
        nets = [model.net for model in asked]
    else:
        return None
    # No file ends so that is one of another program.
    if not all(map(str.endswith, nets, repeat(")"))):
        return None
    return Group(options(asked[0], shape, classes, se), list(asked), nets)
