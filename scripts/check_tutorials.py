#!/usr/bin/env python3
"""Runs tutorials from their own text: the blocks of a page, one after another, in an empty folder.

    scripts/check_tutorials.py [--edgezen PROGRAM] [--python PYTHON] [--keep] PAGE…      docs/tutorials/host.md

Blocks for the shell run in bash and must succeed, those in Python with PYTHON, which has the package. A block whose first line begins with
`# not run here` is left out, and said to be. What a page needs and is not there is an error, or with --skip a remark: phone.md
needs adb and adbd (scripts/setup-adb), gpu.md a program with the feature torch, python.md a Python with the package.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = "# not run here"


def blocks(text: str) -> list[tuple[str, str]]:
    """The code of a page with its language."""
    return [(language, code) for language, code in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)]


def works(*words: str) -> bool:
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def lacks(page: Path, edgezen: Path, python: str) -> str | None:
    """What the page needs and is not there."""
    if page.name == "phone.md" and not (works("adb", "--version") and Path("/usr/lib/android-sdk/platform-tools/adbd").exists()):
        return "adb and adbd: scripts/setup-adb"
    if page.name == "gpu.md" and not works(str(edgezen), "train", "--help"):
        return "a program with the feature torch"
    if page.name == "python.md" and not works(python, "-c", "import edgezen"):
        return "a Python that has the package: --python"
    return None


def run(page: Path, edgezen: Path, python: str, folder: Path) -> str | None:
    """Runs the blocks; gives what went wrong."""
    (folder / "bin").mkdir()
    (folder / "bin/edgezen").symlink_to(edgezen)
    (folder / "home").mkdir()
    work = folder / "work"
    work.mkdir()
    # The program in question comes before one that the environment of Python may have.
    path = f"{folder / 'bin'}:{Path(python).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(folder / "home"), "XDG_DATA_HOME": str(folder / "share")}
    script = [f"set -euo pipefail; cd '{work}'"]
    for place, (language, code) in enumerate(blocks(page.read_text()), 1):
        if language not in ("sh", "python"):
            continue
        if code.startswith(LEFT_OUT):
            said = f"   block {place}{code.splitlines()[0].removeprefix('#')}"
            script.append(f"echo {shlex.quote(said)} >&2")
            continue
        script.append(f"echo '   block {place}' >&2; start=$SECONDS")
        if language == "python":
            (folder / f"block{place}.py").write_text(code)
            code = f"'{python}' '{folder}/block{place}.py'\n"
        script += [code, "echo \"      $((SECONDS - start)) s\" >&2"]
    (folder / "blocks.sh").write_text("\n".join(script))
    words = ["bash", str(folder / "blocks.sh")]
    if page.name == "phone.md":
        words = [str(ROOT / "scripts/loopback-phone"), str(folder / "phone"), *words]
    log = folder / "log.txt"
    with log.open("wb") as out:
        done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False)
    said = log.read_text(errors="replace")
    for line in said.splitlines():
        if line.startswith("   block") or re.fullmatch(r"      \d+ s", line):
            print(line)
    return None if done.returncode == 0 else f"exit status {done.returncode}\n{said[-6000:]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    parser.add_argument("--edgezen", type=Path, default=ROOT / "target/release/edgezen")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--skip", action="store_true", help="leave out pages that need what is not here")
    parser.add_argument("--keep", action="store_true", help="keep the folders, and say where they are")
    args = parser.parse_args()
    edgezen = args.edgezen.resolve()
    failed = False
    for page in args.pages:
        print(f"{page}", flush=True)
        if missing := lacks(page, edgezen, args.python):
            failed |= not args.skip
            print(f"   {'SKIPPED: ' if args.skip else ''}it needs {missing}")
            continue
        start = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix="tutorial-"))
        wrong = run(page, edgezen, os.path.abspath(args.python), folder)
        failed |= wrong is not None
        print(f"   {wrong or 'all of it ran'}, {time.monotonic() - start:.0f} s", flush=True)
        if args.keep:
            print(f"   in {folder}")
        else:
            subprocess.run(["rm", "-rf", str(folder)], check=False)
    sys.exit(failed)


if __name__ == "__main__":
    main()
