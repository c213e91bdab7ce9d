"""The extension module, or why it cannot be loaded. Nothing stands in for it."""

from __future__ import annotations

import os

try:
    from . import _edgezen as extension
except ImportError as error:
    folder = os.path.dirname(os.path.abspath(__file__))
    raise ImportError(
        f"edgezen cannot load its extension module in {folder}: {error}\n"
        "  try: pip install --force-reinstall with the wheel of this system and processor; "
        "a folder of edgezen's source must not be the current one",
        name=error.name,
        path=error.path,
    ) from error

__all__ = ["extension"]
