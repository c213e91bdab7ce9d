#!/usr/bin/env python3
"""Kills commands that write files at random moments, and checks that nothing is lost or half written.

    scripts/kill_commands.py [--kills 500] [--seed 1] BINARY

Every kill is SIGKILL. After it, each result is the one before or the new one, and never anything between or nothing;
the command, given once more, gives the same result as without the kill, and leaves no temporary files behind.
scripts/kill_and_resume.py does the same for long searches that go on from their checkpoints.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

NET = "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,16,2,8,2)SuperConvK1BNRELU(16,32,1,1)"
SEARCH = ["search", "--device", "pixel2", "--latency", "60ms", "--iterations", "4000", "--threads", "1"]


@dataclass
class Case:
    """A command, the files that it writes, and what makes them comparable."""

    name: str
    command: list[str]
    outputs: list[str]
    # What is given in addition where a result is there already.
    again: list[str] = field(default_factory=lambda: ["--force"])
    # What leaves another result of the same kind before the command is tried; absent: there is nothing before it.
    before: list[str] | None = None
    # A command that reads the result, after which a change of places that was interrupted is complete.
    reader: list[str] | None = None


def cases() -> list[Case]:
    plan = ["profile", "--device", "simulated", "--samples", "30", "--rounds", "2"]
    fit = ["fit", "--data", "data", "-o", "p.json"]
    export = ["export", NET, "-o"]
    return [
        Case("export", [*export, "net.onnx"], ["net.onnx"]),
        Case("export over another", [*export, "net.onnx"], ["net.onnx"], before=["export", "resnet18", "-o", "net.onnx"]),
        Case("export as PyTorch", [*export, "net.py"], ["net.py"], before=["export", "resnet18", "-o", "net.py"]),
        Case("fit", fit, ["p.json"]),
        Case("fit over another", fit, ["p.json"], before=["fit", "--data", "other", "-o", "p.json"]),
        Case("predict a table", ["predict", "--device", "v100", "--kernels", "k.csv", "-o", "out.csv"], ["out.csv"]),
        Case(
            "dataset import",
            ["dataset", "import", "--format", "ncnn", "--device", "raspberrypi5", "--threads", "4", "networks.csv.gz", "-o", "imported"],
            ["imported/samples.parquet"],
            reader=["dataset", "info", "imported"],
        ),
        Case("report", ["report", "run"], ["run/report.html"], again=[]),
        Case("search", [*SEARCH, "--out", "found"], ["found/best.txt", "found/best.onnx", "found/front.csv"], again=["--resume"]),
        Case(
            "search over another",
            [*SEARCH, "--out", "found", "--force"],
            ["found/best.txt", "found/best.onnx", "found/front.csv", "found/front.json"],
            again=[],
            before=[*SEARCH, "--seed", "9", "--out", "found"],
            reader=["info", "found"],
        ),
        Case("profile", [*plan, "-o", "measured"], ["measured/lookup_table.csv"], again=["--resume"]),
        Case(
            "profile over another",
            [*plan, "-o", "measured", "--force"],
            ["measured/lookup_table.csv", "measured/plan.json"],
            again=[],
            before=[*plan, "--seed", "9", "-o", "measured"],
            reader=["dataset", "info", "measured"],
        ),
    ]


class Tried:
    def __init__(self, binary: Path, seed: int):
        self.binary = str(binary.resolve())
        self.rng = random.Random(seed)
        self.kills = 0

    def run(self, folder: Path, command: list[str]) -> None:
        done = subprocess.run([self.binary, *command], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")

    def killed(self, folder: Path, command: list[str], patience: float) -> bool:
        process = subprocess.Popen(
            [self.binary, *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            _, errors = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.kills += 1
            return True
        if process.returncode != 0:
            sys.exit(f"{' '.join(command)}: exit {process.returncode}: {errors}")
        return False

    def case(self, case: Case, inputs: Path, kills: int) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            begin = lambda place: shutil.copytree(inputs, place, dirs_exist_ok=True)
            # The result of an undisturbed run, and the one that is there before.
            begin(folder / "whole")
            started = time.monotonic()
            self.run(folder / "whole", case.command)
            usual = time.monotonic() - started
            new = contents(folder / "whole", case.outputs)
            begin(folder / "before")
            if case.before:
                self.run(folder / "before", case.before)
            old = contents(folder / "before", case.outputs)
            again = [*case.command, *case.again]
            was, tries = self.kills, 0
            while self.kills - was < kills:
                tries += 1
                work = folder / f"work{tries}"
                shutil.copytree(folder / "before", work)
                first = again if case.before and case.again else case.command
                # One to three kills, the next ones of the command that is given once more.
                for attempt in range(self.rng.randint(1, 3)):
                    self.killed(work, first if attempt == 0 else again, self.rng.random() * 1.1 * usual)
                    if case.reader and case.before:
                        self.run(work, case.reader)
                    have = contents(work, case.outputs)
                    for output in case.outputs:
                        if have[output] not in (old[output], new[output]):
                            state = "gone" if have[output] is None else "changed"
                            held = sorted(str(path.relative_to(work)) for path in (work / output).parent.rglob("*"))
                            sys.exit(f"{case.name}: after a kill, {output} is {state}; there are {held}")
                    if case.before and case.reader and have not in (old, new):
                        sys.exit(f"{case.name}: after a kill, the result is half the old and half the new one")
                self.run(work, again)
                have = contents(work, case.outputs)
                if have != new:
                    different = [output for output in case.outputs if have[output] != new[output]]
                    sys.exit(f"{case.name}: after kills, {', '.join(different)} differ from those of a whole run")
                left = [str(path) for path in work.rglob("*") if path.name.startswith(".") and path.name != ".edgezen-lock"]
                if left:
                    sys.exit(f"{case.name}: left behind: {', '.join(left)}")
                shutil.rmtree(work)
            print(f"{case.name}: {self.kills - was} kills in {tries} runs, nothing lost", flush=True)


def contents(folder: Path, outputs: list[str]) -> dict[str, bytes | None]:
    """The files as far as they are the same from run to run: without seconds and dates."""

    def read(path: Path) -> bytes | None:
        if not path.exists():
            return None
        data = path.read_bytes()
        if path.suffix == ".json":
            value = json.loads(data)
            if isinstance(value, dict):
                for key in ("created", "sha256"):
                    value.pop(key, None)
            return json.dumps(value, sort_keys=True).encode()
        return data

    return {output: read(folder / output) for output in outputs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=Path)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    tried = Tried(args.binary, args.seed)
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory() as name:
        inputs = Path(name)
        (inputs / "k.csv").write_text("kind,in_c,out_c,in_h,kernel\n" + "conv,64,64,56,3\n" * 20_000)
        shutil.copy(root / "datasets/tables/ncnn/networks.csv.gz", inputs)
        for seed, folder in [("1", "data"), ("2", "other")]:
            tried.run(inputs, ["profile", "--device", "simulated", "--samples", "40", "--seed", seed, "-o", folder])
        tried.run(inputs, [*SEARCH, "--out", "run"])
        todo = cases()
        for case in todo:
            tried.case(case, inputs, -(-args.kills // len(todo)))
    print(f"{tried.kills} kills, nothing lost and nothing half written")


if __name__ == "__main__":
    main()
