"""Packages of others that a call needs, or how to install them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def needed(name: str, what: str) -> Any:
    """The package ``name``, which ``what`` needs and ``edgezen[name]`` brings. Raises ImportError where it is not there."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{what} needs {name}: {error}\n  try: pip install 'edgezen[{name}]'", name=error.name) from error
