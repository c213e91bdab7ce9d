"""The installed package, as its users call it. Run with: python -m unittest discover python/tests"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import edgezen
from edgezen import program

SMALL = "zennet_cifar10_model_size05M_res32"


def command_line(*words):
    """What the command line of the package prints."""
    return json.loads(subprocess.check_output([program.path(), *words, "--json"]))


class Predicting(unittest.TestCase):
    def test_numbers_are_those_of_the_command_line(self):
        [row] = command_line("predict", "--device", "pixel2", "mobilenet_v2", "--breakdown")
        latency = edgezen.predict("mobilenet_v2", device="pixel2", breakdown=True)
        for name in ["ms", "lower_ms", "upper_ms", "charged_ms", "coverage", "coverage_macs", "device", "blocks"]:
            self.assertEqual(getattr(latency, name), row[name], name)
        self.assertTrue(latency.lower_ms < float(latency) < latency.upper_ms)

    def test_a_list_is_predicted_in_its_order(self):
        names = ["resnet50", "resnet18", "mobilenet_v2"] * 50
        many = edgezen.predict(names, device="v100")
        one_by_one = {name: edgezen.predict(name, device="v100").ms for name in set(names)}
        self.assertEqual([latency.ms for latency in many], [one_by_one[name] for name in names])

    def test_the_input_is_what_was_asked_for(self):
        [row] = command_line("predict", "--device", "pixel2", SMALL, "--resolution", "64")
        self.assertEqual(edgezen.predict(SMALL, "pixel2", (1, 3, 64, 64)).ms, row["ms"])
        larger = edgezen.Network(SMALL, resolution=64)
        self.assertEqual(edgezen.predict(larger, "pixel2").ms, row["ms"])
        mixed = edgezen.predict([larger, SMALL], "pixel2")
        self.assertEqual(mixed[0].ms, row["ms"])
        self.assertLess(mixed[1].ms, row["ms"])

    def test_throughputs_are_no_latencies(self):
        latency = edgezen.predict("anb:" + "_".join(["e1k3l1s1"] * 7), "a100@anb")
        self.assertAlmostEqual(latency.images_per_s, 1e3 / latency.ms)
        self.assertIsNone(edgezen.predict("mobilenet_v2", "pixel2").images_per_s)

    def test_a_file_is_a_predictor_too(self):
        file = Path(__file__).parents[2] / "predictors" / "pixel2@tflite@fp32.json"
        of_file = edgezen.predict("mobilenet_v2", predictor=file)
        self.assertEqual(of_file.ms, edgezen.predict("mobilenet_v2", "pixel2@tflite").ms)

    def test_more_networks_than_a_command_line_takes(self):
        structure = edgezen.info(SMALL)["net"]
        many = edgezen.predict([structure] * 2_500, "pixel2")
        self.assertEqual(len(many), 2_500)
        self.assertEqual({latency.ms for latency in many}, {edgezen.predict(structure, "pixel2").ms})

    def test_torch_is_imported_only_for_modules(self):
        code = "import edgezen, sys; edgezen.predict('resnet18', 'v100'); print('torch' in sys.modules)"
        self.assertEqual(subprocess.check_output([sys.executable, "-c", code], text=True), "False\n")


class Refusing(unittest.TestCase):
    def test_each_exit_code_has_an_exception_with_a_remedy(self):
        with self.assertRaisesRegex(edgezen.UsageError, "pixel22") as caught:
            edgezen.predict("mobilenet_v2", "pixel22")
        self.assertEqual(caught.exception.code, 2)
        self.assertIn("pixel2", caught.exception.remedy)
        with self.assertRaisesRegex(edgezen.UsageError, "mobilenet_v22"):
            edgezen.predict(["resnet18", "mobilenet_v22"], "pixel2")
        with self.assertRaises(edgezen.InfeasibleError):
            edgezen.search(device="pixel2", latency="1us", iterations=10)
        with self.assertRaises(edgezen.UsageError):
            edgezen.predict(3.5, "pixel2")
        with self.assertRaisesRegex(edgezen.UsageError, "--device"):
            edgezen.predict("mobilenet_v2")
        with self.assertRaises(ValueError):
            edgezen.search(space="no-space")

    def test_a_damaged_file_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "broken.onnx")
            Path(path).write_bytes(b"no network")
            with self.assertRaises(edgezen.BadFileError):
                edgezen.predict(path, "pixel2")


class Searching(unittest.TestCase):
    def test_a_search_finds_what_the_command_line_finds(self):
        with tempfile.TemporaryDirectory() as folder:
            run = edgezen.search(device="pixel2", latency="80ms", iterations=300, seed=3, out=Path(folder) / "run")
            line = ["search", "--device", "pixel2", "--latency", "80ms", "--iterations", "300", "--seed", "3"]
            printed = command_line(*line, "--out", os.path.join(folder, "other"))
            self.assertEqual(run.best.net, printed["best"]["net"])
            self.assertEqual(run.best.score, printed["best"]["score"])
            self.assertEqual([network.net for network in run.front], [found["net"] for found in printed["front"]])
            self.assertLessEqual(run.best.found["latency"]["pixel2"]["charged_ms"], 80.0)
            self.assertTrue((run.folder / "best.onnx").exists())
            again = edgezen.predict(run.best, "pixel2").ms
            self.assertAlmostEqual(again / run.best.found["latency"]["pixel2"]["ms"], 1.0, places=9)

    def test_several_devices_have_budgets_of_their_own(self):
        run = edgezen.search(space="mobilenet", latency={"pixel2": "80ms", "v100": "0.3ms"}, iterations=200)
        latencies = run.best.found["latency"]
        self.assertLessEqual(latencies["pixel2"]["charged_ms"], 80.0)
        self.assertLessEqual(latencies["v100"]["charged_ms"], 0.3)


class Turning(unittest.TestCase):
    def test_networks_become_files_that_mean_the_same(self):
        network = edgezen.Network(SMALL)
        with tempfile.TemporaryDirectory() as folder:
            for path in [network.to_onnx(Path(folder) / "a.onnx"), network.to_tflite(Path(folder) / "a.tflite")]:
                from_file = edgezen.predict(path, "v100").ms
                self.assertAlmostEqual(from_file / edgezen.predict(network, "v100").ms, 1.0, places=6)

    def test_scores_and_facts(self):
        network = edgezen.Network(SMALL)
        self.assertEqual(edgezen.score(network), edgezen.score(network.net))
        self.assertEqual(len(edgezen.score([network, network.net], proxy="params")), 2)
        self.assertEqual(network.info()["exact"]["params"], 500_466)
        self.assertEqual(edgezen.info(network)["exact"]["params"], 500_466)
        self.assertIn("resnet18", [row["name"] for row in edgezen.networks()])
        self.assertIn("pixel2", [row["name"] for row in edgezen.devices()["devices"]])

    def test_options_become_words(self):
        given = {"iterations": 96_000, "any_shape": True, "se": False, "init": None, "kernel_sizes": [3, 5]}
        words = ["--iterations", "96000", "--any-shape", "--kernel-sizes", "3", "5"]
        self.assertEqual(program.words(given), words)


class Modules(unittest.TestCase):
    """Needs torch and onnx; without them the test says that it was skipped."""

    def setUp(self):
        try:
            import onnx  # noqa: F401
            import torch
        except ImportError as error:
            if os.environ.get("EDGEZEN_REQUIRE_TORCH"):
                raise
            self.skipTest(f"SKIPPED: {error}")
        self.torch = torch

    def test_a_module_is_predicted_as_the_network_that_it_is(self):
        network = edgezen.Network(SMALL)
        module = network.to_torch()
        module.train()
        latency = edgezen.predict(module, "v100", input=(1, 3, 32, 32))
        self.assertAlmostEqual(latency.ms / edgezen.predict(network, "v100").ms, 1.0, places=2)
        self.assertTrue(module.training)
        self.assertEqual(tuple(module(self.torch.zeros(2, 3, 32, 32)).shape), (2, 10))


class Program(unittest.TestCase):
    def test_the_command_line_is_in_the_package(self):
        said = subprocess.check_output([sys.executable, "-m", "edgezen", "--version"], text=True)
        self.assertEqual(said, f"edgezen {edgezen.__version__}\n")
        script = Path(sys.executable).with_name("edgezen")
        self.assertEqual(subprocess.check_output([script, "--version"], text=True), said)

    def test_exit_codes_and_messages_are_those_of_the_program(self):
        failed = subprocess.run([sys.executable, "-m", "edgezen", "predict"], capture_output=True, text=True)
        self.assertEqual(failed.returncode, 2)
        self.assertIn("--device", failed.stderr)

    def test_measuring_gives_a_number_or_says_that_it_is_noisy(self):
        try:
            row = edgezen.measure(SMALL)
        except edgezen.NoisyError as error:
            # A busy computer is no fault of the package, and the measurement is there all the same.
            [row] = error.printed
        self.assertGreater(row["median_ms"], 0.0)
        self.assertGreater(row["launches"], 1)


if __name__ == "__main__":
    unittest.main()
