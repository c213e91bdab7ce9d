"""Latency of image networks on real devices: predict, measure, and search networks inside a budget.

>>> import edgezen
>>> edgezen.predict("mobilenet_v2", device="pixel2").ms          # milliseconds per image
>>> run = edgezen.search(device="pixel2", latency="80ms")        # the best network that fits
>>> run.best.to_onnx("best.onnx")
"""

from __future__ import annotations

from .extension import extension as _extension

# True for what checks types. `typing` itself is not imported: the command line starts in this package, too, and needs none of the
# modules below.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from . import coding as coding
    from . import jobs as jobs
    from . import nn_meter as nn_meter
    from . import optuna as optuna
    from . import pymoo as pymoo
    from . import ray as ray
    from .commands import devices, info, measure, networks, sample, score
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
    from .predicting import Latencies, Latency, predict
    from .searching import Progress, Run, search

__version__ = _extension.version

__all__ = [
    "BadFileError",
    "DeviceLostError",
    "EdgezenError",
    "InfeasibleError",
    "Latencies",
    "Latency",
    "Network",
    "NoisyError",
    "OutsideDomainError",
    "Progress",
    "Run",
    "UsageError",
    "__version__",
    "devices",
    "info",
    "measure",
    "networks",
    "predict",
    "sample",
    "score",
    "search",
]

#: The names that each module brings. A module is imported when one of them is asked for.
_BROUGHT_BY = {
    "commands": ("devices", "info", "measure", "networks", "sample", "score"),
    "errors": (
        "BadFileError",
        "DeviceLostError",
        "EdgezenError",
        "InfeasibleError",
        "NoisyError",
        "OutsideDomainError",
        "UsageError",
    ),
    "network": ("Network",),
    "predicting": ("Latencies", "Latency", "predict"),
    "searching": ("Progress", "Run", "search"),
}

#: Modules that are imported when they are asked for. Some need packages of others, and say so.
_MODULES = ("coding", "jobs", "nn_meter", "optuna", "pymoo", "ray")

if not TYPE_CHECKING:

    def __getattr__(name):
        from importlib import import_module

        if name in _MODULES:
            try:
                return import_module(f".{name}", __name__)
            except ImportError as error:
                # What looks at all attributes of a module, as help() does, passes over those that are not there.
                raise AttributeError(str(error), name=name) from error
        for module, names in _BROUGHT_BY.items():
            if name in names:
                brought = import_module(f".{module}", __name__)
                globals().update({name: getattr(brought, name) for name in names})
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        ours = [name for name in globals() if name.startswith("__") and name.endswith("__")]
        return sorted({*ours, *__all__, *_MODULES})
