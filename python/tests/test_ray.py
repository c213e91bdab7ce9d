"""Jobs under Ray, with a worker killed in the middle: the merged bytes are those of one computer. Needs edgezen[ray].

    python python/tests/test_ray.py            # 24 scores and 4 searches; EDGEZEN_JOBS=full takes 200 and 20
"""

import os
import signal
import tempfile
import threading
import time
import unittest
import uuid
from pathlib import Path

# Before Ray is imported. Its workers are known by the mark.
MARK = f"EDGEZEN_MARK={uuid.uuid4()}"
os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "EDGEZEN_MARK": MARK.partition("=")[2]})

import edgezen  # noqa: E402
import edgezen.ray  # noqa: E402
import ray  # noqa: E402
from edgezen import jobs  # noqa: E402

FULL = os.environ.get("EDGEZEN_JOBS") == "full"
SCORES, SEEDS = (200, 20) if FULL else (24, 4)
EXACT = {"engine": "exact", "repeats": 2, "resolution": 64}
SEARCH = {"device": "pixel2", "latency": "80ms", "iterations": 400_000, "optimiser": "paper"}


def workers():
    """Processes of Ray that do a job for this test."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            doing = (process / "cmdline").read_bytes().startswith(b"ray::_job")
            if doing and MARK.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except (OSError, ValueError):
            continue
    return found


def kill_one(until, killed):
    """Kills one worker as soon as it has been at a job for a moment."""
    while not until.is_set():
        for process in workers():
            time.sleep(0.1)
            if process in workers():
                os.kill(process, signal.SIGKILL)
                killed.append(process)
                return
        time.sleep(0.01)


def run_while_one_is_killed(folder):
    """Does the jobs of a plan under Ray, and gives the workers that were killed meanwhile, and what was heard."""
    ended, killed, heard = threading.Event(), [], []
    killer = threading.Thread(target=kill_one, args=(ended, killed))
    killer.start()
    try:
        results = edgezen.ray.run(folder, callback=lambda *news: heard.append(news))
    finally:
        ended.set()
        killer.join()
    return results, killed, heard


class UnderRay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ray.init(address="local", num_cpus=2, resources={"host": 1}, include_dashboard=False, log_to_driver=False)

    @classmethod
    def tearDownClass(cls):
        ray.shutdown()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def merged_alone(self, name):
        """The merged bytes of a plan that one computer does, without Ray."""
        for file in jobs.unfinished(self.folder / name):
            jobs.run(file)
        jobs.merge(self.folder / name, self.folder / f"{name}.json")
        return (self.folder / f"{name}.json").read_bytes()

    def merged_under_ray(self, name, parts):
        results, killed, heard = run_while_one_is_killed(self.folder / name)
        self.assertEqual(len(killed), 1, "no worker was killed: the jobs are too short")
        self.assertEqual((len(results), len(set(results))), (parts, parts))
        self.assertEqual(heard, [(done, parts) for done in range(1, parts + 1)])
        self.assertEqual(jobs.unfinished(self.folder / name), [])
        self.assertEqual(edgezen.ray.run(self.folder / name), [])
        jobs.merge(self.folder / name, self.folder / f"{name}.json")
        return (self.folder / f"{name}.json").read_bytes()

    def test_scores_are_those_of_one_computer_although_a_worker_dies(self):
        nets = edgezen.sample("mobilenet", SCORES, seed=4)
        jobs.plan_scores(nets, self.folder / "alone", parts=1, **EXACT)
        jobs.plan_scores(nets, self.folder / "ray", parts=SCORES // 4, **EXACT)
        alone = self.merged_alone("alone")
        self.assertEqual(self.merged_under_ray("ray", SCORES // 4), alone)
        self.assertEqual(alone.count(b'"score"'), SCORES)

    def test_searches_are_those_of_one_computer_although_a_worker_dies(self):
        jobs.plan_searches(SEEDS, self.folder / "alone", parts=1, seed=3, **SEARCH)
        jobs.plan_searches(SEEDS, self.folder / "ray", **SEARCH, seed=3)
        alone = self.merged_alone("alone")
        self.assertEqual(self.merged_under_ray("ray", SEEDS), alone)

    def test_a_worker_that_does_not_see_the_folder_works_on_a_copy(self):
        [file] = jobs.plan_scores(["resnet18"], self.folder / "plan", parts=1, proxy="params")
        given = [(self.folder / "plan" / name).read_bytes() for name in [jobs.PLAN, file.name]]
        name, content = edgezen.ray._job("/nowhere", file.name, *given, 1)
        self.assertEqual([place.name for _, place in jobs.planned(self.folder / "plan")], [name])
        self.assertFalse((self.folder / "plan" / "results").exists())
        self.assertEqual(jobs.run(file).read_bytes(), content)

    def test_errors_are_raised_as_they_are(self):
        with self.assertRaisesRegex(edgezen.UsageError, "no plan"):
            edgezen.ray.run(self.folder)
        (self.folder / jobs.PLAN).write_text("{}")
        with self.assertRaisesRegex(edgezen.BadFileError, "no list of jobs"):
            edgezen.ray.run(self.folder)
        [file] = jobs.plan_scores(["resnet18"], self.folder / "plan", parts=1)
        file.write_text(file.read_text().replace("resnet18", "resnet50"))
        with self.assertRaisesRegex(edgezen.BadFileError, "not the one that was planned") as caught:
            edgezen.ray.run(self.folder / "plan")
        self.assertEqual(type(caught.exception), edgezen.BadFileError)
        self.assertIn("jobs plan", caught.exception.remedy)

    def test_a_device_measures_one_network_at_a_time(self):
        try:
            rows = edgezen.ray.measure(["zennet_cifar10_model_size05M_res32"] * 2, "host", retries=1)
        except edgezen.NoisyError as error:
            # A busy computer is no fault of the package.
            self.skipTest(f"SKIPPED: {error}")
        self.assertEqual(len(rows), 2)
        self.assertGreater(rows[0]["median_ms"], 0.0)


if __name__ == "__main__":
    unittest.main()
