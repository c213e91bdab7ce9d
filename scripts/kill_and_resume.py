#!/usr/bin/env python3
"""Kills a search at random moments, resumes it, and compares the result with that of an undisturbed run.

    scripts/kill_and_resume.py [--kills 50] [--seed 1] BINARY [-- search options …]

Every kill is SIGKILL. A run that ends before its kill is compared, and the next begins. Prints one line for each
run, and fails at the first difference.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMPARED = ["best", "front", "iterations", "scored", "rejected", "explanation"]
FILES = ["run.toml", "best.txt", "best.onnx", "front.json", "history.csv", "archive.parquet"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("options", nargs="*", help="of the search; after --")
    args = parser.parse_args()
    options = args.options or ["--params", "1M", "--layers", "18", "--resolution", "32", "--iterations", "1500000"]
    command = [str(args.binary.resolve()), "search", *options, "--checkpoint-every", "20ms", "--json"]
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        started = time.monotonic()
        subprocess.run([*command, "--out", "whole"], cwd=work, check=True, capture_output=True)
        usual = time.monotonic() - started
        want = result(work / "whole")
        kills, runs = 0, 0
        while kills < args.kills:
            runs += 1
            name = f"run{runs}"
            in_this = 0
            while True:
                process = subprocess.Popen(
                    [*command, "--out", name, "--resume"], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
                )
                # From the very start of the program to after its end.
                patience = rng.random() * 0.6 * usual if kills < args.kills else 1e6
                try:
                    _, errors = process.communicate(timeout=patience)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
                    kills += 1
                    in_this += 1
                    continue
                if process.returncode != 0:
                    sys.exit(f"{name}: exit {process.returncode}: {errors.decode()}")
                break
            have = result(work / name)
            for key in want:
                if have[key] != want[key]:
                    sys.exit(f"{name}, killed {in_this} times: {key} differs")
            print(f"{name}: killed {in_this} times, the same result", flush=True)
    print(f"{kills} kills in {runs} runs, all results the same")


def result(folder: Path) -> dict:
    found = json.loads((folder / "result.json").read_text())
    return {key: found[key] for key in COMPARED} | {name: (folder / name).read_bytes() for name in FILES}


if __name__ == "__main__":
    main()
