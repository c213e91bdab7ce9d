"""What users call a model, as the text by which edgezen knows networks."""

from __future__ import annotations

import inspect
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import UsageError
from .network import Network


def is_module(model: Any) -> bool:
    """Whether it is a ``torch.nn.Module``; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


@contextmanager
def as_text(model: Any, shape: tuple[int, int, int, int] | None) -> Iterator[str]:
    """The text that stands for ``model``; that of a ``torch.nn.Module`` names a file which is there inside the block only.

    ``shape`` is that of the input of a module, as batch, channels, height, width.
    """
    if isinstance(model, Network):
        yield model.net
    elif isinstance(model, (str, os.PathLike)):
        yield os.fspath(model)
    elif is_module(model):
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


def _export(module: Any, shape: tuple[int, int, int, int], path: str) -> None:
    """Writes ``module`` as ONNX, in evaluation mode, which it is taken out of again."""
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


def options(model: Any, shape: tuple[int, ...] | None, classes: int | None, se: bool) -> dict[str, Any]:
    """The options of the command line for one model. A :class:`Network` has its own where none are given; the sizes of a module are in
    its file."""
    if is_module(model):
        return {}
    size = f"{shape[-2]}x{shape[-1]}" if shape is not None else None
    if isinstance(model, Network):
        return {"resolution": size or model.resolution, "classes": classes or model.classes, "se": se or model.se}
    return {"resolution": size, "classes": classes, "se": se}
