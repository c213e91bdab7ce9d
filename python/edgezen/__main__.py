"""``python -m edgezen``, and the script ``edgezen``: the command line."""

from __future__ import annotations

import os
import signal
import sys

from .extension import extension

#: Starts the command line again, as measurements do, each in a process of its own: without the rest of the package, and without
#: whatever lies in the current folder.
_AGAIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.path[:0] = sys.argv[1:2]
import _edgezen
sys.exit(_edgezen.main(["edgezen", *sys.argv[2:]], None, []))
"""


def main() -> int:
    """Runs the command of this command line, and gives its exit code."""
    # The command line treats Ctrl-C itself, or is ended by it as any program.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    folder = os.path.dirname(os.path.abspath(__file__))
    return extension.main(["edgezen", *sys.argv[1:]], sys.executable, ["-I", "-c", _AGAIN, folder])


if __name__ == "__main__":
    sys.exit(main())
