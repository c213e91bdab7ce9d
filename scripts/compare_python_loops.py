#!/usr/bin/env python3
"""Holds `edgezen measure` against a loop of the runtime's own Python package on the same files, pinned alike, in turns.

    .venv/bin/python scripts/compare_python_loops.py mobilenet_v2.onnx mobilenet_v2.tflite
    .venv/bin/python scripts/compare_python_loops.py --threads 2 --rounds 7 --within 3 net.onnx

An .onnx file is measured in host@onnxruntime, a .tflite file in host@litert. Each round measures the file once with edgezen, and
then with as many processes of examples/runtimes/python_loop.py as edgezen made launches; the order changes from round to round. Both
run on the last cores of this computer, one for each thread. The result is the median of the rounds' medians, and the ratio of the two.
With --within P, the exit status is 1 where a ratio is further than P per cent from 1. Run it on a computer that does nothing else.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOOP = ROOT / "examples/runtimes/python_loop.py"
RUNTIMES = {".onnx": "onnxruntime", ".tflite": "litert"}


def edgezen(program, path, threads, seconds):
    """The median in milliseconds, the number of launches, and the row itself."""
    device = f"host@{RUNTIMES[path.suffix.lower()]}"
    command = [program, "measure", "--json", "--quiet", "--device", f"{device}@{threads}t"]
    done = subprocess.run(command + ["--seconds", str(seconds), str(path)], stdout=subprocess.PIPE)
    # 3: measured, and noisy; the medians are compared all the same.
    if done.returncode not in (0, 3):
        sys.exit(f"edgezen measure failed on {path} ({done.returncode})")
    row = json.loads(done.stdout)[0]
    return row["median_ms"], row["launches"], row


def python(path, threads, seconds, cores):
    """The median of one process, in milliseconds."""
    listed = ",".join(map(str, cores))
    command = [sys.executable, str(LOOP), str(path), "--threads", str(threads), "--seconds", str(seconds)]
    done = subprocess.run(command + ["--cores", listed], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"the loop in Python failed on {path}")
    values = dict(line.split()[:2] for line in done.stdout.splitlines())
    return float(values["median"])


def compared(path, arguments):
    """The ratio of edgezen's median to that of the loop."""
    cores = sorted(os.sched_getaffinity(0))[-arguments.threads :]
    ours, theirs, noisy = [], [], 0
    launches = 5
    for number in range(arguments.rounds):
        def measure():
            nonlocal launches, noisy
            median, launches, row = edgezen(arguments.edgezen, path, arguments.threads, arguments.seconds)
            noisy += row["quality"] != "good"
            ours.append(median)

        def loop():
            seconds = arguments.seconds / launches
            medians = [python(path, arguments.threads, seconds, cores) for _ in range(launches)]
            theirs.append(statistics.median(medians))

        for step in (measure, loop) if number % 2 == 0 else (loop, measure):
            step()
        print(f"  round {number + 1}: edgezen {ours[-1]:.4f} ms, Python {theirs[-1]:.4f} ms", file=sys.stderr)
    a, b = statistics.median(ours), statistics.median(theirs)
    of_rounds = statistics.median(x / y for x, y in zip(ours, theirs))
    print(
        f"{path.name}: edgezen {a:.4f} ms, Python {b:.4f} ms, ratio {a / b:.4f} "
        f"(median of the rounds' ratios {of_rounds:.4f}; {noisy} of {arguments.rounds} measurements were not good)"
    )
    return a / b


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5, help="of timing in a round, for each of the two")
    parser.add_argument("--edgezen", default=str(ROOT / "target/release/edgezen"), help="the program")
    parser.add_argument("--within", type=float, metavar="PERCENT")
    arguments = parser.parse_args()
    for path in arguments.files:
        if path.suffix.lower() not in RUNTIMES or not path.is_file():
            parser.error(f"{path}: no .onnx or .tflite file")
    ratios = [compared(path, arguments) for path in arguments.files]
    if arguments.within is not None and any(abs(ratio - 1) > arguments.within / 100 for ratio in ratios):
        sys.exit(f"further than {arguments.within} % apart")


if __name__ == "__main__":
    main()
