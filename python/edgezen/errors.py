"""Exceptions: one for each exit code of the program."""

from __future__ import annotations


class EdgezenError(Exception):
    """Something that edgezen could not do.

    ``message`` says what and where, ``remedy`` what to do about it (or is None), and ``code`` is the exit code of the program.
    ``printed`` is the result that the program printed nevertheless, as that of a noisy measurement, or None.
    """

    printed: object = None

    def __init__(self, message: str, remedy: str | None = None, code: int = 1) -> None:
        super().__init__(message if remedy is None else f"{message}\n  try: {remedy}")
        self.message = message
        self.remedy = remedy
        self.code = code


class UsageError(EdgezenError, ValueError):
    """What was asked for does not exist or makes no sense (exit code 2)."""


class NoisyError(EdgezenError):
    """The measurement is too noisy, or the device too hot, to be relied on (3)."""


class DeviceLostError(EdgezenError):
    """The device was lost or is busy; the work can be taken up again (4)."""


class OutsideDomainError(EdgezenError):
    """The predictor does not cover enough of the network (5)."""


class InfeasibleError(EdgezenError):
    """No network fits the budgets (6)."""


class BadFileError(EdgezenError):
    """A file is damaged, of another format, or of a newer version (7)."""


_CLASSES = {
    2: UsageError,
    3: NoisyError,
    4: DeviceLostError,
    5: OutsideDomainError,
    6: InfeasibleError,
    7: BadFileError,
}


def by_code(code: int, message: str, remedy: str | None) -> EdgezenError:
    """The exception for an exit code of the program."""
    return _CLASSES.get(code, EdgezenError)(message, remedy, code)
