"""Runs the examples of docs/cluster.md, from its own text: a job array of Slurm on this computer alone, GNU parallel, and what a pod of
Kubernetes runs. Each must give the bytes of one computer.

    python scripts/check_cluster.py [--without-slurm] [--without-parallel]

`edgezen` must be on the path, and PyYAML be installed.
"""

import argparse
import os
import re
import subprocess
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
NETS = [
    "zennet_cifar10_model_size05M_res32",
    *(f"SuperConvK3BNRELU(3,{8 * n},1,1)SuperResK3K3({8 * n},{16 * n},2,{8 * n},{n})" for n in range(1, 8)),
]
#: As many as the array of the example has, by the words of the test.
PARTS = 8


def example(heading, language):
    """The first block of code in `language` behind a heading of the page."""
    text = (ROOT / "docs" / "cluster.md").read_text()
    section = re.split(rf"^## {re.escape(heading)}.*\n", text, flags=re.MULTILINE)[1]
    return re.search(rf"```{language}\n(.*?)```", section.split("\n## ")[0], flags=re.DOTALL)[1]


def edgezen(*words, **options):
    return subprocess.run(["edgezen", "--quiet", *map(str, words)], check=True, stdout=subprocess.PIPE, **options)


def planned(folder, name):
    """A folder with the plan of the work below jobs/."""
    place = folder / name
    place.mkdir()
    edgezen("jobs", "plan", *NETS, "--parts", PARTS, "-o", "jobs", "--", "score", "--engine", "exact", "--resolution", 32, cwd=place)
    return place


def merged(place):
    edgezen("jobs", "merge", "jobs", "-o", "all.json", cwd=place)
    return (place / "all.json").read_bytes()


def alone(place):
    edgezen("jobs", "run", *sorted((place / "jobs").glob("job-*.json")), cwd=place)
    return merged(place)


def under_slurm(place):
    """The array, twice: first a part of it, as where computers failed."""
    setup, folder = ROOT / "scripts" / "setup-slurm", place / "slurm"
    started = subprocess.run([setup, folder], stdout=subprocess.PIPE, text=True)
    if started.returncode == 3:
        return None
    started.check_returncode()
    try:
        name, value = re.fullmatch(r"export (\w+)='(.*)'\n", started.stdout).groups()
        environment = {**os.environ, name: value}
        (place / "array.sh").write_text(example("Slurm", "sh"))
        # This computer may have fewer cores than the example asks for.
        line = ["sbatch", "--wait", "--cpus-per-task=1", "array.sh"]
        for array in ["0-2", f"0-{PARTS - 1}"]:
            subprocess.run([*line[:2], f"--array={array}", *line[2:]], check=True, cwd=place, env=environment, stdout=subprocess.PIPE)
            said = [path.read_text() for path in place.glob("slurm-*.out")]
            done = len(list((place / "jobs" / "results").iterdir()))
            assert done == 1 + int(array.partition("-")[2]), (array, done, said)
        return merged(place)
    finally:
        subprocess.run([setup, folder, "--stop"], check=True)


def under_parallel(place):
    line = example("GNU parallel", "sh").replace("node1,node2,node3", ":")
    assert ":" in line.split(), line
    subprocess.run(["bash", "-ec", line], check=True, cwd=place, stdout=subprocess.PIPE)
    return merged(place)


def in_pods(place):
    """What the container of each index runs; no cluster is there to run it."""
    job = yaml.safe_load(example("Kubernetes", "yaml"))
    assert (job["apiVersion"], job["kind"], job["spec"]["completionMode"]) == ("batch/v1", "Job", "Indexed")
    pod = job["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert pod["restartPolicy"] == "Never", "an index may fail by itself only so (backoffLimitPerIndex)"
    [mount] = container["volumeMounts"]
    assert mount["name"] in [volume["name"] for volume in pod["volumes"]]
    for index in range(PARTS):
        command = [word.replace(mount["mountPath"], str(place)) for word in container["command"]]
        subprocess.run(command, check=True, env={**os.environ, "JOB_COMPLETION_INDEX": str(index)}, stdout=subprocess.PIPE)
    return merged(place)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--without-slurm", action="store_true")
    parser.add_argument("--without-parallel", action="store_true")
    given = parser.parse_args()
    ways = [under_slurm, under_parallel, in_pods]
    if given.without_slurm:
        ways.remove(under_slurm)
    if given.without_parallel:
        ways.remove(under_parallel)
    with tempfile.TemporaryDirectory() as folder:
        expected = alone(planned(Path(folder), "alone"))
        assert expected.count(b'"score"') == len(NETS)
        for way in ways:
            found = way(planned(Path(folder), way.__name__))
            if found is None:
                print(f"SKIPPED: {way.__name__}")
                continue
            assert found == expected, f"{way.__name__}: other bytes than those of one computer"
            print(f"{way.__name__}: the bytes of one computer")


if __name__ == "__main__":
    main()
