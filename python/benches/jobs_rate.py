"""What cutting work into jobs costs: 200 exact scores and a search with 20 seeds, as one process does them, by plain files (a process for each
job, as Slurm and GNU parallel start them), and under Ray. Needs edgezen[ray].

    python python/benches/jobs_rate.py [SCORES [SEEDS [TURNS]]]

Each way does the same work with one thread for a job, on two cores, by turns. Printed are seconds by the clock, with two jobs at a time (of one
process twice the work at once: half of the scores, or of the seeds, in each of two), and seconds of processor time, which other programs
disturb less. Of Ray, the daemons' time counts, too, but not that of its start. The merged files of all ways have the same bytes.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Ray gives its workers the niceness 15: beside other programs they would get less of the processor than the other ways.
os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"})

import edgezen  # noqa: E402
import edgezen.ray  # noqa: E402
import ray  # noqa: E402
from edgezen import jobs  # noqa: E402

CORES = 2
TICKS = os.sysconf("SC_CLK_TCK")
COMMAND = [sys.executable, "-m", "edgezen", "--quiet", "jobs", "run", "--threads", "1"]


def processor():
    """Seconds of processor time of this process, of its children, and of theirs, that ended and that still run."""
    parents, spent = {}, {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        parents[int(process.name)] = int(fields[1])
        spent[int(process.name)] = sum(map(int, fields[11:15])) / TICKS
    ours, more = {os.getpid()}, True
    while more:
        more = {child for child, parent in parents.items() if parent in ours} - ours
        ours |= more
    return sum(spent.get(process, 0.0) for process in ours)


def idle():
    import edgezen  # noqa: F401  as the first job of a worker does

    time.sleep(1.0)


def start(files):
    subprocess.run([*COMMAND, *files], stdout=subprocess.DEVNULL, check=True)


def in_one_process(folder):
    """Two processes, each with half of the jobs."""
    files = jobs.unfinished(folder)
    with ThreadPoolExecutor(CORES) as two:
        list(two.map(start, [files[i::CORES] for i in range(CORES)]))


def by_plain_files(folder):
    """A process for each job, two at a time."""
    with ThreadPoolExecutor(CORES) as two:
        list(two.map(start, [[file] for file in jobs.unfinished(folder)]))


def under_ray(folder):
    edgezen.ray.run(folder)


WAYS = [in_one_process, by_plain_files, under_ray]


def main():
    given = [int(word) for word in sys.argv[1:]]
    scores, seeds, turns = (given + [200, 20, 2][len(given) :])[:3]
    ray.init(address="local", num_cpus=CORES, include_dashboard=False, log_to_driver=False)
    # Its workers start with the first tasks.
    ray.get([ray.remote(idle).remote() for _ in range(CORES)])
    nets = edgezen.sample("mobilenet", scores, seed=4)
    exact = {"engine": "exact", "repeats": 2, "resolution": 64}
    works = {
        f"{scores} exact scores": lambda folder: jobs.plan_scores(nets, folder, parts=max(CORES, scores // 5), **exact),
        f"{seeds} searches": lambda folder: jobs.plan_searches(seeds, folder, device="pixel2", latency="80ms", iterations=400_000),
    }
    for name, plan in works.items():
        times = {way: [] for way in WAYS}
        for _ in range(turns):
            merged = []
            for way, taken in times.items():
                with tempfile.TemporaryDirectory() as folder:
                    plan(Path(folder) / "jobs")
                    before = time.perf_counter(), processor()
                    way(Path(folder) / "jobs")
                    taken.append((time.perf_counter() - before[0], processor() - before[1]))
                    jobs.merge(Path(folder) / "jobs", Path(folder) / "all.json")
                    merged.append((Path(folder) / "all.json").read_bytes())
            assert merged == merged[:1] * len(WAYS)
        print(name)
        base = [statistics.median(column) for column in zip(*times[in_one_process], strict=True)]
        for way, taken in times.items():
            clock, cpu = [statistics.median(column) for column in zip(*taken, strict=True)]
            more = f"{100 * (clock / base[0] - 1):+.1f} %, {100 * (cpu / base[1] - 1):+.1f} %"
            print(f"  {way.__name__:15} {clock:7.1f} s by the clock, {cpu:7.1f} s of processor time ({more})", flush=True)


if __name__ == "__main__":
    main()
