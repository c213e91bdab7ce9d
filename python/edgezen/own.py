"""Functions of one's own in the place of a proxy or of a device, as :func:`edgezen.search` takes them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from .errors import UsageError
from .network import Network
from .program import OfStructure

#: A function of a network that gives its score, or its latency in milliseconds per image.
OfNetwork: TypeAlias = "Callable[[Network], float]"

#: What a name has, so that it can be that of a device.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")


def name(function: OfNetwork) -> str:
    """What results call a function by: its own name, or that of its class; ``own`` for a lambda. Raises UsageError for a name that no
    device can have."""
    found = getattr(function, "__name__", type(function).__name__)
    if found == "<lambda>":
        return "own"
    if not _PLAIN.fullmatch(found) or ".." in found:
        raise UsageError(f"a function called {found!r} cannot stand for a device", "a name of letters and digits: function.__name__ = ...", 2)
    return found


def score(function: OfNetwork) -> OfStructure:
    """The function as the extension calls it. It raises UsageError where that gives no finite number."""
    return _checked(function, "a finite number, the greater the better", math.isfinite)


def latency(function: OfNetwork) -> OfStructure:
    """The function as the extension calls it. It raises UsageError where that gives no number of milliseconds above zero."""
    return _checked(function, "milliseconds per image, a finite number above zero", lambda ms: math.isfinite(ms) and ms > 0.0)


def _checked(function: OfNetwork, wanted: str, fits: Callable[[float], bool]) -> OfStructure:
    def asked(net: str, resolution: int, classes: int, se: bool) -> float:
        try:
            given = function(Network(net, resolution=resolution, classes=classes, se=se))
        except Exception as error:
            _name(error, f"raised by {_called(function)} for the network {net}")
            raise
        number = _number(given)
        if number is None or not fits(number):
            raise UsageError(f"{_called(function)} gave {given!r} for the network {net}", f"it must give {wanted}", 2)
        return number

    return asked


def _called(function: OfNetwork) -> str:
    return getattr(function, "__qualname__", None) or type(function).__name__


def _number(given: Any) -> float | None:
    """What a function gave as a float, if it is a number: of Python, NumPy or PyTorch, but neither a text nor a truth value."""
    if isinstance(given, bool) or not (hasattr(type(given), "__float__") or hasattr(type(given), "__index__")):
        return None
    try:
        return float(given)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def _name(error: Exception, note: str) -> None:
    """Adds a note to an exception, which Python shows from 3.11 on."""
    if hasattr(error, "add_note"):
        error.add_note(note)
    else:
        error.__notes__ = [*getattr(error, "__notes__", []), note]
