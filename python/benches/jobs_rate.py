"""What Ray costs: 200 exact scores and a search with 20 seeds as jobs, each with one thread, on two cores. Needs edgezen[ray].

    python python/benches/jobs_rate.py [SCORES [SEEDS]]

By plain files, two processes at once work through the jobs; under Ray, two workers do, once Ray has started. By turns, twice.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"})

import edgezen  # noqa: E402
import edgezen.ray  # noqa: E402
import ray  # noqa: E402
from edgezen import jobs  # noqa: E402

CORES = 2


def seconds(call, *arguments):
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def by_files(folder):
    files = jobs.unfinished(folder)
    line = [sys.executable, "-m", "edgezen", "--quiet", "jobs", "run", "--threads", "1"]
    running = [subprocess.Popen([*line, *files[i::CORES]], stdout=subprocess.DEVNULL) for i in range(CORES)]
    assert [process.wait() for process in running] == [0] * CORES


def main():
    given = [int(word) for word in sys.argv[1:]]
    scores, seeds = (given + [200, 20][len(given) :])[:2]
    started = seconds(lambda: ray.init(address="local", num_cpus=CORES, include_dashboard=False, log_to_driver=False))
    print(f"Ray started in {started:.1f} s")
    nets = edgezen.sample("mobilenet", scores, seed=4)
    works = {
        f"{scores} exact scores": lambda folder: jobs.plan_scores(
            nets, folder, parts=max(2, scores // 5), engine="exact", repeats=2, resolution=128
        ),
        f"{seeds} searches": lambda folder: jobs.plan_searches(seeds, folder, device="pixel2", latency="80ms", iterations=960_000),
    }
    for name, plan in works.items():
        times = {by_files: [], edgezen.ray.run: []}
        for _ in range(2):
            merged = []
            for way, taken in times.items():
                with tempfile.TemporaryDirectory() as folder:
                    plan(Path(folder) / "jobs")
                    taken.append(seconds(way, Path(folder) / "jobs"))
                    jobs.merge(Path(folder) / "jobs", Path(folder) / "all.json")
                    merged.append((Path(folder) / "all.json").read_bytes())
            assert merged[0] == merged[1]
        files, under_ray = map(min, times.values())
        print(f"{name}: {files:.1f} s by plain files, {under_ray:.1f} s under Ray ({100 * (under_ray / files - 1):+.1f} %)")


if __name__ == "__main__":
    main()
