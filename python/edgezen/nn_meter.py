"""For people who come from nn-Meter: its three calls, with edgezen's predictors.

>>> from edgezen.nn_meter import list_latency_predictors, load_latency_predictor
>>> predictor = load_latency_predictor("pixel2@tflite")
>>> predictor.predict(model, model_type="torch", input_shape=(1, 3, 224, 224))     # milliseconds per image
"""

from __future__ import annotations

from typing import Any

from . import devices
from .errors import UsageError
from .extension import extension
from .models import Input, Model, is_module
from .predicting import predict

#: nn-Meter's own predictors. Their data are not here; the nearest that is, or None.
_NEAREST = {
    "cortexA76cpu_tflite21": "pixel4@tflite, which has four threads",
    "adreno640gpu_tflite21": None,
    "adreno630gpu_tflite21": None,
    "myriadvpu_openvino2019r2": None,
}


class LatencyPredictor:
    """A predictor of one device; ``name`` is its identity."""

    def __init__(self, device: str) -> None:
        self.device = device
        _, self.name, _ = extension.load(device, None, None)

    def predict(
        self,
        model: Model,
        model_type: str | None = None,
        input_shape: Input = (1, 3, 224, 224),
        apply_nni: bool = False,
    ) -> float:
        """The latency of a network in milliseconds per image. ``model`` is whatever :func:`edgezen.predict` takes; ``input_shape`` is that of a
        ``torch.nn.Module``. ``model_type`` is not needed, and nn-Meter's graphs (``"nnmeter-ir"``, ``"nni-ir"``) and frozen graphs of
        TensorFlow (``"pb"``) are refused: write an .onnx or .tflite file of them."""
        if model_type not in (None, "onnx", "torch", "tflite") or apply_nni:
            raise UsageError(f"models of the kind {model_type!r} are not read", "an .onnx or .tflite file, or a torch.nn.Module", 2)
        return predict(model, self.device, input_shape if is_module(model) else None).ms


def load_latency_predictor(predictor_name: str, predictor_version: float | None = None) -> LatencyPredictor:
    """The predictor of a device: ``"pixel2"``, ``"galaxy_s25@qnn@w8a8"``, … (:func:`list_latency_predictors`). Raises UsageError for another."""
    if predictor_name in _NEAREST:
        nearest = _NEAREST[predictor_name]
        remedy = f"the nearest is {nearest}" if nearest else "edgezen.nn_meter.list_latency_predictors() lists those that are"
        raise UsageError(f"{predictor_name} is one of nn-Meter's predictors, which are not here", remedy, 2)
    return LatencyPredictor(predictor_name)


def list_latency_predictors() -> list[dict[str, Any]]:
    """The devices that have a predictor."""
    return [device for device in devices()["devices"] if device.get("predictors")]
