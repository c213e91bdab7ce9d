"""Networks per second that are predicted and scored from Python, and the speed of a search beside that of the command line.

    python python/benches/predict_rate.py [DEVICE …]

10,000 networks of the space mobilenet, drawn at random; each figure is the median of five calls, each of a fresh sample, so that nothing of
it was ever priced. The time is that of the whole call: strings in, arrays of floats out.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import edgezen

NETWORKS = 10_000
CALLS = 5
ITERATIONS = 96_000


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main():
    samples = [edgezen.sample("mobilenet", NETWORKS, seed) for seed in range(CALLS)]
    for device in sys.argv[1:] or ["pixel2", "v100"]:
        edgezen.predict("resnet18", device)
        rate = NETWORKS / statistics.median(seconds(lambda: edgezen.predict(nets, device)) for nets in samples)
        one = statistics.median(seconds(lambda: edgezen.predict(net, device)) for net in samples[0][:200])
        listed = NETWORKS / statistics.median(seconds(lambda: list(edgezen.predict(nets, device))) for nets in samples)
        print(
            f"predict on {device}: {rate:,.0f} networks per second, {listed:,.0f} as a list of objects; "
            f"one network takes {1e6 * one:.0f} µs"
        )
    rate = NETWORKS / statistics.median(seconds(lambda: edgezen.score(nets)) for nets in samples)
    print(f"score: {rate:,.0f} networks per second")
    options = {"iterations": ITERATIONS, "seed": 1}
    searches, commands = [], []
    with tempfile.TemporaryDirectory() as folder:
        # By turns: a computer that becomes slower does so for both.
        for i in range(CALLS):
            out = Path(folder) / f"in-process-{i}"
            searches.append(seconds(lambda: edgezen.search(device="pixel2", latency="80ms", out=out, callback=str, **options)))
            line = ["search", "--device", "pixel2", "--latency", "80ms", "--iterations", str(ITERATIONS), "--seed", "1"]
            line += ["--out", str(Path(folder) / f"command-{i}"), "--quiet"]
            command = [sys.executable, "-m", "edgezen", *line]
            commands.append(seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)))
    here, there = statistics.median(searches), statistics.median(commands)
    print(f"search of {ITERATIONS:,} iterations: {here:.2f} s from Python, {there:.2f} s by the command line")


if __name__ == "__main__":
    main()
