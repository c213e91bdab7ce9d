"""``python -m edgezen``: the program that comes with this package."""

from __future__ import annotations

import os
import subprocess
import sys

from . import program


def main() -> int:
    """Runs the program with the words of this command line, and gives its exit code."""
    line = [program.path(), *sys.argv[1:]]
    if os.name == "posix":
        # The program takes the place of this process, and hears its signals.
        os.execv(line[0], line)
    return subprocess.call(line)


if __name__ == "__main__":
    sys.exit(main())
