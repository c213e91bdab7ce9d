"""Networks: a structure with the size of its images, and what it can be turned into."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import program
from .packages import needed


@dataclass(frozen=True)
class Network:
    """A network by its name or structure string.

    ``net`` is anything that the command line takes for a network: a name (``mobilenet_v2``), a structure string, a file, the code of
    another search space. ``resolution`` is the side of its square images in pixels and ``classes`` the number of classes; None
    leaves the network's own. ``se`` adds squeeze-excite to residual super blocks. ``found`` is what a search says of it.
    """

    net: str
    resolution: int | None = None
    classes: int | None = None
    se: bool = False
    found: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.net, (str, os.PathLike)):
            raise TypeError(f"a network is a name, a structure string or a path, not {self.net!r}")
        object.__setattr__(self, "net", os.fspath(self.net))

    @property
    def score(self) -> float | None:
        """The score by which a search found it."""
        return self.found.get("score")

    def options(self) -> dict[str, Any]:
        """The options of the command line that go with the network."""
        return {"resolution": self.resolution, "classes": self.classes, "se": self.se}

    def info(self) -> dict[str, Any]:
        """Layers, parameters, multiply-accumulates (for one image), memory (bytes) and blocks."""
        return program.run("info", *program.words(self.options()), "--", self.net)

    def to_onnx(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Writes an ONNX file with random weights (``seed``), or in 8-bit integers with ``int8=True``."""
        return self._export(path, "onnx", options)

    def to_tflite(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Writes a TensorFlow Lite file with random weights (``seed``), or in 8-bit integers with ``int8=True``."""
        return self._export(path, "tflite", options)

    def to_torch(self) -> Any:
        """The network as a ``torch.nn.Module``, with PyTorch's initial weights. Needs torch."""
        import importlib.util
        import tempfile

        needed("torch", "Network.to_torch")
        with tempfile.TemporaryDirectory() as folder:
            path = self._export(Path(folder) / "network.py", "pytorch", {})
            spec = importlib.util.spec_from_file_location("edgezen_network", path)
            if spec is None or spec.loader is None:
                raise ImportError(f"Python does not import {path}", path=str(path))
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.Network()

    def _export(self, path: str | os.PathLike[str], kind: str, options: dict[str, Any]) -> Path:
        path = Path(path)
        line = program.words({**self.options(), "format": kind, "output": path, **options})
        program.run("export", *line, "--", self.net)
        return path
