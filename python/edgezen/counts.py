"""Whole numbers as the extension takes them: in range, or refused with what to give instead."""

from __future__ import annotations

from operator import index
from typing import overload

from .errors import UsageError

#: Random numbers begin at one of these.
LARGEST_SEED = 2**64 - 1
#: Classes of a classifier.
MOST_CLASSES = 1_000_000
#: Images of one run.
MOST_IMAGES = 65_536
#: Any size of an image.
LONGEST = 2**31 - 1


@overload
def whole(name: str, value: int, least: int, most: int, remedy: str | None = None) -> int: ...
@overload
def whole(name: str, value: int | None, least: int, most: int, remedy: str | None = None) -> int | None: ...
def whole(name: str, value: int | None, least: int, most: int, remedy: str | None = None) -> int | None:
    """``value`` as an int; None stays None. Raises UsageError below ``least`` and above ``most``, TypeError for what is no whole number."""
    if value is None:
        return None
    if isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {value}")
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be a whole number, not {value!r}") from None
    if not least <= number <= most:
        raise UsageError(f"{name} is {number}", remedy or f"a whole number from {least} to {most}", 2)
    return number
