"""The installed package, as its users call it. Run with: python -m unittest discover python/tests"""

import ast
import datetime
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import edgezen
from edgezen import _edgezen, coding, jobs, nn_meter, program

SMALL = "zennet_cifar10_model_size05M_res32"


def command_line(*words):
    """What the command line of the package prints."""
    return json.loads(subprocess.check_output([sys.executable, "-m", "edgezen", "--json", *words]))


def in_python(code, **options):
    """What another Python prints that runs this."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)


class Predicting(unittest.TestCase):
    def test_numbers_are_those_of_the_command_line(self):
        [row] = command_line("predict", "--device", "pixel2", "mobilenet_v2", "--breakdown")
        latency = edgezen.predict("mobilenet_v2", device="pixel2", breakdown=True)
        for name in ["ms", "lower_ms", "upper_ms", "charged_ms", "coverage", "coverage_macs", "device", "blocks"]:
            self.assertEqual(getattr(latency, name), row[name], name)
        self.assertTrue(latency.lower_ms < float(latency) < latency.upper_ms)

    def test_names_and_structures_have_the_latencies_of_the_command_line(self):
        nets = ["mobilenet_v2", "efficientnet_b0", "resnet50", SMALL, *edgezen.sample("mobilenet", 20)]
        for device in ["pixel2", "v100", "host", "t4@torch2.1", "galaxy_s25@qnn@w8a8"]:
            rows = command_line("predict", "--device", device, "--", *nets)
            latencies = edgezen.predict(nets, device)
            self.assertEqual(latencies.device, rows[0]["device"])
            for latency, row in zip(latencies, rows, strict=True):
                # Sums over blocks are rounded otherwise than sums over kernels.
                for name in ["ms", "lower_ms", "upper_ms", "charged_ms", "coverage"]:
                    self.assertAlmostEqual(getattr(latency, name) / row[name], 1.0, places=11, msg=name)
                self.assertEqual(latency.missing, row["missing"])

    def test_many_at_once_have_the_latencies_of_each_alone_to_the_last_bit(self):
        columns = ["ms", "lower_ms", "upper_ms", "charged_ms", "coverage"]
        for space, device in [("mobilenet", "pixel2"), ("resnet", "v100"), ("mobilenet", "t4@torch2.1"), ("mobilenet", "host@litert")]:
            nets = edgezen.sample(space, 700, seed=11)
            many = edgezen.predict(nets, device)
            networks = edgezen.predict([edgezen.Network(net) for net in nets], device)
            backwards = edgezen.predict(nets[::-1], device)
            for name in columns:
                numbers = getattr(many, name)
                self.assertEqual(numbers, getattr(networks, name), (device, name))
                self.assertEqual(list(numbers), list(getattr(backwards, name))[::-1], (device, name))
            for i in range(0, 700, 35):
                self.assertEqual(many[i], edgezen.predict(nets[i], device))

    def test_networks_keep_their_options_in_a_list(self):
        small, large = edgezen.Network(SMALL), edgezen.Network(SMALL, resolution=64)
        wide = edgezen.Network(edgezen.info(SMALL)["net"], classes=500)
        for models in [[small, large], [large, large], [small, wide], [wide, wide], [wide, edgezen.info(SMALL)["net"]]]:
            alone = [edgezen.predict(model, "v100").ms for model in models]
            self.assertEqual([latency.ms for latency in edgezen.predict(models, "v100")], alone)
            self.assertEqual(edgezen.score(models), [edgezen.score(model) for model in models])

    def test_the_numbers_of_a_list_are_arrays(self):
        nets = edgezen.sample("resnet", 50, seed=3)
        latencies = edgezen.predict(nets, "v100")
        self.assertEqual([latency.ms for latency in latencies], list(latencies.ms))
        self.assertEqual([latency.net for latency in latencies[-3:]], nets[-3:])
        self.assertEqual(latencies[-1], edgezen.predict(nets[-1], "v100"))
        self.assertEqual(memoryview(latencies.upper_ms).format, "d")
        self.assertIsNone(latencies.images_per_s)
        with self.assertRaises(IndexError):
            latencies[50]
        self.assertEqual(list(edgezen.predict([], "v100")), [])

    def test_files_and_names_may_stand_in_one_list(self):
        with tempfile.TemporaryDirectory() as folder:
            file = edgezen.Network(SMALL).to_onnx(Path(folder) / "a.onnx")
            mixed = edgezen.predict([SMALL, file, "resnet18"], "v100")
            alone = [edgezen.predict(model, "v100").ms for model in [SMALL, file, "resnet18"]]
            self.assertEqual([latency.ms for latency in mixed], alone)

    def test_a_predictor_is_read_again_when_its_file_changes(self):
        folder = Path(__file__).parents[2] / "predictors"
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / "mine.json"
            for name in ["pixel2@tflite@fp32", "pixel3@tflite@fp32"]:
                shutil.copyfile(folder / f"{name}.json", file)
                self.assertEqual(edgezen.predict(SMALL, predictor=file).ms, edgezen.predict(SMALL, name).ms)
            file.write_text("no predictor")
            with self.assertRaises(edgezen.BadFileError):
                edgezen.predict(SMALL, predictor=file)

    def test_what_was_measured_elsewhere_is_logged(self):
        with self.assertLogs("edgezen", "INFO") as logged:
            program.heard(["predict"], ["note: a remark with 100 %"])
        self.assertEqual(logged.output, ["INFO:edgezen:a remark with 100 %"])

    def test_remedies_and_remarks_speak_of_arguments(self):
        with self.assertLogs("edgezen", "INFO") as logged:
            edgezen.search(device="pixel2", latency="80ms", iterations=500)
        [layers] = [line for line in logged.output if "layers" in line]
        self.assertIn("(layers changes it)", layers)
        for call, words in [
            (lambda: edgezen.search(params="1M", kernels=4, iterations=10), "kernels with some of 3, 5, 7"),
            (lambda: edgezen.score(SMALL, engine="exact", error=-1.0), "error=0.1, say"),
            (lambda: edgezen.predict(SMALL, device="host@foo"), "device=host@tract or"),
        ]:
            with self.assertRaises(edgezen.UsageError) as raised:
                call()
            self.assertIn(words, raised.exception.remedy)
            self.assertNotIn("--", raised.exception.remedy)
        # A command line to type stays one.
        with self.assertRaises(edgezen.UsageError) as raised:
            edgezen.predict(SMALL, device="host@tract@int8")
        self.assertIn("edgezen profile --device host@tract@int8", raised.exception.remedy)

    def test_a_forked_process_predicts_too(self):
        code = (
            "import os, edgezen\n"
            "nets = edgezen.sample('mobilenet', 600)\n"
            "expected = edgezen.predict(nets, 'pixel2').ms\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    os._exit(0 if edgezen.predict(nets, 'pixel2').ms == expected and edgezen.info('resnet18') else 1)\n"
            "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )
        done = in_python(code, timeout=300)
        self.assertEqual((done.stdout, done.returncode), ("0\n", 0), done.stderr)

    def test_other_threads_of_python_go_on(self):
        ticks, done = [0], threading.Event()

        def tick():
            while not done.is_set():
                ticks[0] += 1

        counting = threading.Thread(target=tick)
        nets = edgezen.sample("mobilenet", 2_000)
        counting.start()
        try:
            before = ticks[0]
            edgezen.predict(nets, "pixel2")
            self.assertGreater(ticks[0], before)
        finally:
            done.set()
            counting.join()

    def test_a_list_is_predicted_in_its_order(self):
        names = ["resnet50", "resnet18", "mobilenet_v2"] * 50
        many = edgezen.predict(names, device="v100")
        one_by_one = {name: edgezen.predict(name, device="v100").ms for name in set(names)}
        self.assertEqual([latency.ms for latency in many], [one_by_one[name] for name in names])

    def test_the_input_is_what_was_asked_for(self):
        [row] = command_line("predict", "--device", "pixel2", SMALL, "--resolution", "64")
        # The sums over blocks and over kernels differ in the last digit.
        self.assertAlmostEqual(edgezen.predict(SMALL, "pixel2", (1, 3, 64, 64)).ms / row["ms"], 1, places=12)
        larger = edgezen.Network(SMALL, resolution=64)
        self.assertAlmostEqual(edgezen.predict(larger, "pixel2").ms / row["ms"], 1, places=12)
        mixed = edgezen.predict([larger, SMALL], "pixel2")
        self.assertAlmostEqual(mixed[0].ms / row["ms"], 1, places=12)
        self.assertLess(mixed[1].ms, row["ms"])

    def test_batch_and_channels_of_the_input_count(self):
        with tempfile.TemporaryDirectory() as folder:
            file = edgezen.Network("resnet18").to_onnx(Path(folder) / "a.onnx")
            lite = edgezen.Network("resnet18").to_tflite(Path(folder) / "a.tflite")
            for model in ["resnet18", edgezen.Network("resnet18"), file, lite, ["resnet18", "mobilenet_v2"]]:
                asked, shaped = edgezen.predict(model, "v100", batch=8), edgezen.predict(model, "v100", (8, 3, 224, 224))
                one_or_all = list if isinstance(model, list) else lambda latency: latency
                self.assertEqual(one_or_all(shaped), one_or_all(asked))
                for shape, said in [
                    ((1, 1, 224, 224), "3 channels"),
                    ((1, 3, 224), "no shape"),
                    ((1, 3, 224.5, 224), "no shape"),
                    ((0, 3, 224, 224), "is 0"),
                    ((1, 3, 224, -1), "is -1"),
                ]:
                    with self.assertRaisesRegex(edgezen.UsageError, said):
                        edgezen.predict(model, "v100", shape)
        with self.assertRaisesRegex(edgezen.UsageError, "8 images, batch is 4"):
            edgezen.predict("resnet18", "v100", (8, 3, 224, 224), batch=4)
        with self.assertRaisesRegex(edgezen.UsageError, "batches of 1 image"):
            edgezen.predict("anb:" + "_".join(["e1k3l1s1"] * 7), "a100@anb", (8, 3, 224, 224))
        with self.assertRaisesRegex(edgezen.UsageError, "one image"):
            edgezen.measure("resnet18", input=(8, 3, 224, 224))
        for ask in [edgezen.info, edgezen.score, lambda *given, **more: edgezen.score(*given, engine="exact", **more)]:
            with self.assertRaisesRegex(edgezen.UsageError, "3 channels"):
                ask("resnet18", input=(1, 4, 224, 224))

    def test_a_network_and_the_input_may_not_contradict_one_another(self):
        small = edgezen.Network("resnet18", resolution=64)
        self.assertEqual(edgezen.predict(small, "v100", (1, 3, 64, 64)).ms, edgezen.predict(small, "v100").ms)
        for ask in [lambda: edgezen.predict(small, "v100", (1, 3, 224, 224)), lambda: edgezen.info(small, (1, 3, 32, 64))]:
            with self.assertRaisesRegex(edgezen.UsageError, "64 pixels"):
                ask()
        self.assertEqual(nn_meter.load_latency_predictor("v100").predict(small), edgezen.predict(small, "v100").ms)

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

    def test_a_breakdown_has_a_frame_and_what_has_none_says_so(self):
        latency = edgezen.predict("mobilenet_v2", "pixel2", breakdown=True)
        self.assertGreater(len(latency.blocks), 10)
        with self.assertRaisesRegex(edgezen.UsageError, "no breakdown") as caught:
            edgezen.predict("mobilenet_v2", "pixel2").frame()
        self.assertIn("breakdown=True", caught.exception.remedy)

    def test_latencies_go_to_other_processes(self):
        many = edgezen.predict(["resnet18", "mobilenet_v2"], "pixel2")
        for latency in [*many, edgezen.predict("resnet18", "pixel2"), edgezen.predict("resnet18", "pixel2", breakdown=True)]:
            copy = pickle.loads(pickle.dumps(latency))
            self.assertEqual(copy, latency)
            self.assertEqual(copy.missing, latency.missing)
        copies = pickle.loads(pickle.dumps(many))
        self.assertEqual(list(copies), list(many))
        self.assertEqual(copies.device, many.device)
        self.assertEqual(copies[1].missing, many[1].missing)
        code = """
import edgezen, multiprocessing
def ask(net):
    return edgezen.predict([net], "pixel2")[0]
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print([latency.ms for latency in pool.map(ask, ["resnet18", "mobilenet_v2"])])
"""
        self.assertEqual(in_python(code).stdout, f"{list(many.ms)}\n")

    def test_what_needs_other_packages_says_which(self):
        for name in ["optuna", "pymoo", "ray"]:
            code = f"import sys; sys.modules['{name}'] = None\nimport edgezen.{name}"
            done = in_python(code)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"pip install 'edgezen[{name}]'", done.stderr)
            done = in_python(f"import sys; sys.modules['{name}'] = None\nimport edgezen\nhasattr(edgezen, '{name}') or edgezen.{name}.search")
            self.assertIn(f"pip install 'edgezen[{name}]'", done.stderr.splitlines()[-1])
        calls = {
            "pandas": ["predict(['resnet18'], 'v100').frame()", "predict('resnet18', 'v100', breakdown=True).frame()"],
            "torch": ["Network('resnet18').to_torch()"],
        }
        for name, asked in calls.items():
            for call in asked:
                done = in_python(f"import sys; sys.modules['{name}'] = None\nimport edgezen; edgezen.{call}")
                self.assertIn(f"pip install 'edgezen[{name}]'", done.stderr.splitlines()[-1], call)

    def test_modules_are_there_without_being_imported_and_private_names_are_not_shown(self):
        code = "import edgezen; print(edgezen.jobs.PLAN, edgezen.coding.MOBILENETS.most_blocks, edgezen.nn_meter.__name__); print(dir(edgezen))"
        told, shown = in_python(code).stdout.splitlines()
        self.assertEqual(told, "plan.json 4 edgezen.nn_meter")
        shown = [name for name in ast.literal_eval(shown) if not name.startswith("__")]
        modules = ["coding", "jobs", "nn_meter", "optuna", "pymoo", "ray"]
        self.assertEqual(shown, sorted({*edgezen.__all__, *modules} - {"__version__"}))


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
        with self.assertRaisesRegex(edgezen.UsageError, "device"):
            edgezen.predict("mobilenet_v2")
        with self.assertRaisesRegex(edgezen.UsageError, "device"):
            edgezen.predict("mobilenet_v2", "pixel2", predictor="file.json")
        for batch in [0, 1 << 20]:
            with self.assertRaisesRegex(edgezen.UsageError, "images"):
                edgezen.predict("mobilenet_v2", "v100", batch=batch)
        with self.assertRaisesRegex(edgezen.UsageError, "batches"):
            edgezen.predict("anb:" + "_".join(["e1k3l1s1"] * 7), "a100@anb", batch=2)
        with self.assertRaisesRegex(edgezen.UsageError, "zenn"):
            edgezen.score(SMALL, proxy="zenn")
        with self.assertRaisesRegex(edgezen.UsageError, "mobilenet") as caught:
            edgezen.sample("mobilenets", 3)
        self.assertIn("mobilenet", caught.exception.remedy)
        with self.assertRaisesRegex(edgezen.UsageError, "no_such_net"):
            edgezen.score(["resnet18", "no_such_net"])
        with self.assertRaises(TypeError):
            _edgezen.sample("mobilenet", "3", 0)
        with self.assertRaises(TypeError):
            _edgezen.predict_many(_edgezen, [], None, None, False, False)
        with self.assertRaises(ValueError):
            # A capsule of another module.
            _edgezen.predict_many(datetime.datetime_CAPI, [], None, None, False, False)
        with self.assertRaises(ValueError):
            edgezen.search(space="no-space")

    def test_a_damaged_file_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "broken.onnx")
            Path(path).write_bytes(b"no network")
            with self.assertRaises(edgezen.BadFileError):
                edgezen.predict(path, "pixel2")


    def test_an_extension_that_cannot_be_loaded_is_no_small_matter(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "edgezen"
            shutil.copytree(Path(edgezen.__file__).parent, copy, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
            for content in [None, b"no module"]:
                if content is not None:
                    (copy / "_edgezen.abi3.so").write_bytes(content)
                failed = subprocess.run(
                    [sys.executable, "-c", "import edgezen"], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": folder}
                )
                self.assertEqual(failed.returncode, 1)
                self.assertIn("cannot load its extension module", failed.stderr)
                self.assertIn("try: pip install", failed.stderr)

    def test_what_measures_is_no_command_of_this_process(self):
        for line in [["measure", "--device", "host", "resnet18"], ["profile", "--device", "host"]]:
            with self.assertRaisesRegex(edgezen.UsageError, "process"):
                program.run(*line)


class Jobs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def merged(self, name):
        for file in reversed(jobs.unfinished(self.folder / name)):
            self.assertEqual(jobs.run(file, threads=1), jobs.run(file))
        self.assertEqual(jobs.unfinished(self.folder / name), [])
        rows = jobs.merge(self.folder / name, self.folder / f"{name}.json")
        return rows, (self.folder / f"{name}.json").read_bytes()

    def test_scores_in_parts_are_those_of_one_part_and_of_the_command_line(self):
        nets = [SMALL, *edgezen.sample("mobilenet", 3)]
        options = {"engine": "exact", "repeats": 2, "resolution": 32, "seed": 3}
        self.assertEqual(len(jobs.plan_scores(nets, self.folder / "one", parts=1, **options)), 1)
        self.assertEqual(len(jobs.plan_scores(nets, self.folder / "all", **options)), 4)
        rows, content = self.merged("one")
        self.assertEqual(self.merged("all")[1], content)
        printed = command_line("score", "--engine", "exact", "--repeats", "2", "--resolution", "32", "--seed", "3", "--", *nets)
        self.assertEqual([row["score"] for row in rows], [row["score"] for row in printed])

    def test_searches_with_several_seeds(self):
        options = {"latency": {"pixel2": "80ms", "v100": "0.3ms"}, "space": "mobilenet", "kernels": [3, 5], "iterations": 200}
        jobs.plan_searches(2, self.folder / "plan", seed=5, **options)
        rows, _ = self.merged("plan")
        self.assertEqual([row["seed"] for row in rows], [5, 6])
        self.assertEqual(edgezen.search(seed=6, **options).best.net, rows[1]["best"]["net"])

    @unittest.skipUnless(os.name == "posix", "SKIPPED: signals of POSIX")
    def test_ctrl_c_stops_a_job_which_goes_on_later(self):
        [file] = jobs.plan_searches(1, self.folder / "plan", device="pixel2", latency="80ms", iterations=5_000_000)
        code = (
            "import os, signal, sys\n"
            "from edgezen import jobs\n"
            # What is started in the background inherits that the signal is ignored.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "try:\n"
            "    jobs.run(sys.argv[1], callback=lambda *news: os.kill(os.getpid(), signal.SIGINT))\n"
            "except KeyboardInterrupt:\n"
            "    print('stopped')\n"
        )
        done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True, timeout=300)
        self.assertEqual(done.stdout, "stopped\n", done.stderr)
        self.assertEqual(jobs.unfinished(self.folder / "plan"), [file])
        [run] = (self.folder / "plan" / "runs").iterdir()
        self.assertTrue(any(run.iterdir()))

    def test_what_cannot_be_done_is_said(self):
        with self.assertRaisesRegex(edgezen.UsageError, "no plan"):
            jobs.unfinished(self.folder)
        with self.assertRaisesRegex(edgezen.UsageError, "resnet1888"):
            jobs.plan_scores(["resnet1888"], self.folder / "plan")
        jobs.plan_scores(["resnet18"], self.folder / "plan")
        with self.assertRaisesRegex(edgezen.EdgezenError, "1 of 1 jobs have no result"):
            jobs.merge(self.folder / "plan", self.folder / "all.json")


class FromNnMeter(unittest.TestCase):
    def test_its_calls_give_latencies_of_edgezen(self):
        names = [device["name"] for device in nn_meter.list_latency_predictors()]
        self.assertIn("pixel2", names)
        predictor = nn_meter.load_latency_predictor("pixel2")
        self.assertEqual(predictor.name, "pixel2@tflite@fp32")
        self.assertEqual(predictor.predict("mobilenet_v2"), edgezen.predict("mobilenet_v2", "pixel2").ms)
        with tempfile.TemporaryDirectory() as folder:
            file = edgezen.Network(SMALL).to_onnx(Path(folder) / "a.onnx")
            self.assertEqual(predictor.predict(file, model_type="onnx"), edgezen.predict(file, "pixel2").ms)
        with self.assertRaisesRegex(edgezen.UsageError, "nnmeter-ir"):
            predictor.predict("resnet18", model_type="nnmeter-ir")
        with self.assertRaisesRegex(edgezen.UsageError, "nn-Meter's") as caught:
            nn_meter.load_latency_predictor("cortexA76cpu_tflite21")
        self.assertIn("pixel4@tflite", caught.exception.remedy)
        with self.assertRaises(edgezen.UsageError):
            nn_meter.load_latency_predictor("pixel22")


class Searching(unittest.TestCase):
    def test_progress_is_heard(self):
        heard = []
        run = edgezen.search(device="pixel2", latency="80ms", iterations=3_000, callback=heard.append)
        self.assertTrue(heard)
        self.assertEqual(heard, sorted(heard))
        self.assertEqual((heard[-1].iteration, heard[-1].iterations), (3_000, 3_000))
        self.assertLessEqual(heard[-1].scored, 3_000)
        # The winner is searched further, so that its score may be less than the greatest.
        self.assertIsInstance(heard[-1].best, float)
        self.assertEqual({row["net"] for row in run.rows()}, {network.net for network in run.front})
        self.assertIn("pixel2_upper_ms", run.rows()[0])

    def test_what_the_callback_raises_stops_the_search_and_it_can_go_on(self):
        def stop(progress):
            raise KeyError(progress.iteration)

        with tempfile.TemporaryDirectory() as folder:
            asked = {"device": "pixel2", "latency": "80ms", "iterations": 40_000, "seed": 5}
            out = Path(folder) / "run"
            with self.assertRaises(KeyError):
                edgezen.search(**asked, out=out, callback=stop)
            with self.assertRaises(edgezen.UsageError):
                edgezen.search(**asked, out=out)
            again = edgezen.search(resume=True, out=out)
            whole = edgezen.search(**asked, out=Path(folder) / "whole")
            self.assertEqual(again.best.net, whole.best.net)

    @unittest.skipUnless(os.name == "posix", "SKIPPED: signals of POSIX")
    def test_ctrl_c_stops_a_search_and_nothing_else(self):
        code = (
            "import os, signal, edgezen\n"
            # What is started in the background inherits that the signal is ignored.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "def press(progress): os.kill(os.getpid(), signal.SIGINT)\n"
            "try:\n"
            "    edgezen.search(device='pixel2', latency='80ms', iterations=5_000_000, callback=press)\n"
            "except KeyboardInterrupt:\n"
            "    print('stopped', round(edgezen.predict('resnet18', 'v100').ms, 3) > 0)\n"
        )
        done = in_python(code, timeout=300)
        self.assertEqual(done.stdout, "stopped True\n", done.stderr)

    def test_searches_of_two_threads_do_not_disturb_each_other(self):
        def run(seed):
            found[seed] = edgezen.search(device="pixel2", latency="80ms", iterations=500, seed=seed).best.net

        found = {}
        threads = [threading.Thread(target=run, args=[seed]) for seed in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        for seed in range(3):
            alone = edgezen.search(device="pixel2", latency="80ms", iterations=500, seed=seed)
            self.assertEqual(found[seed], alone.best.net)

    def test_a_search_maximises_a_function_by_the_networks_it_gets(self):
        def fewest_macs(network):
            asked.append(network)
            return -edgezen.info(network)["exact"]["macs"]

        asked = []
        with tempfile.TemporaryDirectory() as folder:
            options = {"params": "2M", "layers": 10, "space": "mobilenet", "iterations": 150, "seed": 3, "resolution": 96, "classes": 10}
            runs = [edgezen.search(proxy=fewest_macs, out=Path(folder) / str(i), threads=1 + i, **options) for i in range(2)]
            [first, second] = [(run.best.net, run.best.score, run.rows()) for run in runs]
            self.assertEqual(first, second)
            self.assertEqual({(n.resolution, n.classes, n.se) for n in asked}, {(96, 10, False)})
            best = runs[0].best
            self.assertEqual(best.score, -best.info()["exact"]["macs"])
            # It found something with fewer than the first that it was asked for.
            self.assertGreater(best.score, -asked[0].info()["exact"]["macs"])
            self.assertEqual(runs[0].result["proxy"], "python:fewest_macs")
            # The page of the run does not need the function; who goes on with the run does.
            command_line("report", str(runs[0].folder))
            with self.assertRaisesRegex(edgezen.UsageError, "function in Python gave the scores"):
                edgezen.search(resume=True, out=runs[0].folder)
            with self.assertRaisesRegex(edgezen.UsageError, "python:len"):
                edgezen.search(resume=True, out=runs[0].folder, proxy=len)
            longer = edgezen.search(resume=True, out=runs[0].folder, proxy=fewest_macs, iterations=300)
            whole = edgezen.search(proxy=fewest_macs, **{**options, "iterations": 300})
            self.assertEqual(longer.result["iterations"], 300)
            self.assertGreaterEqual(longer.best.score, best.score)
            self.assertGreaterEqual(whole.best.score, best.score)

    def test_a_search_keeps_a_budget_on_what_a_function_says(self):
        def half(network):
            return edgezen.predict(network, "pixel2").ms / 2

        options = {"space": "mobilenet", "iterations": 200, "seed": 1, "params": "4M"}
        run = edgezen.search(latency={half: "30ms", "v100": "0.5ms"}, **options)
        row = next(row for row in run.rows() if row["net"] == run.best.net)
        self.assertAlmostEqual(row["half_ms"], edgezen.predict(run.best, "pixel2").ms / 2, places=9)
        self.assertLessEqual(row["half_ms"], 30.0)
        self.assertEqual((row["half_ms"], row["half_ms"]), (row["half_lower_ms"], row["half_upper_ms"]))
        self.assertAlmostEqual(row["v100_ms"], edgezen.predict(run.best, "v100").ms, places=9)
        self.assertIn("v100", run.result["explanation"]["blocks"][0]["latency_ms"])
        self.assertNotIn("half", run.result["explanation"]["blocks"][0]["latency_ms"])
        alone = edgezen.search(device=half, latency="30ms", **options)
        self.assertLessEqual(alone.best.found["latency"]["half"]["ms"], 30.0)
        with self.assertRaises(edgezen.InfeasibleError):
            edgezen.search(device=half, latency="0.001ms", **options)
        command_line("report", str(run.folder))

    def test_functions_that_fail_name_the_network(self):
        def broken(network):
            raise KeyError("mine")

        options = {"space": "mobilenet", "params": "4M", "iterations": 100}
        with self.assertRaises(KeyError) as caught:
            edgezen.search(proxy=broken, **options)
        [note] = caught.exception.__notes__
        self.assertRegex(note, r"raised by .*broken for the network SuperConvK3BNRELU\(3,")
        for given in [float("nan"), float("inf"), None, "3.5", True, [1.0], 1j]:
            with self.assertRaisesRegex(edgezen.UsageError, r"gave .* for the network SuperConv.*\n.*a finite number"):
                edgezen.search(proxy=lambda network, given=given: given, **options)
        for given in [0.0, -1.0, float("nan"), "5ms"]:
            with self.assertRaisesRegex(edgezen.UsageError, r"milliseconds per image, a finite number above zero"):
                edgezen.search(device=lambda network, given=given: given, latency="5ms", **options)
        with self.assertRaisesRegex(edgezen.UsageError, "two functions are called own"):
            edgezen.search(latency={(lambda network: 1.0): "5ms", (lambda network: 2.0): "5ms"}, **options)
        with self.assertRaisesRegex(edgezen.UsageError, "another process"):
            edgezen.search(device=lambda network: 1.0, latency="5ms", verify=1, **options)
        with self.assertRaisesRegex(edgezen.UsageError, "other processes do not have"):
            jobs.plan_searches(2, "nowhere", proxy=broken, params="4M")

    @unittest.skipUnless(os.name == "posix", "SKIPPED: signals of POSIX")
    def test_ctrl_c_ends_a_function_and_the_search(self):
        code = (
            "import os, signal, threading, time, edgezen\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "def slow(network):\n"
            "    assert threading.current_thread() is threading.main_thread()\n"
            "    threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
            "    time.sleep(60)\n"
            "start = time.monotonic()\n"
            "try:\n"
            "    edgezen.search(proxy=slow, params='4M', iterations=1_000)\n"
            "except KeyboardInterrupt:\n"
            "    print('stopped', time.monotonic() - start < 30)\n"
        )
        done = in_python(code, timeout=300)
        self.assertEqual(done.stdout, "stopped True\n", done.stderr)

    def test_a_run_is_shown_in_a_line(self):
        run = edgezen.search(device="pixel2", latency="80ms", iterations=100)
        self.assertIn(run.best.net, repr(run))
        self.assertLess(len(repr(run)), 1_000)

    def test_a_verified_search_has_a_process_of_its_own(self):
        with self.assertRaises(edgezen.EdgezenError) as caught:
            edgezen.search(device="raspberrypi5", latency="80ms", iterations=50, verify=1)
        self.assertNotIn("process", caught.exception.message)
        self.assertNotIn(tempfile.gettempdir(), caught.exception.remedy or "")
        with self.assertRaisesRegex(edgezen.UsageError, "foo is no argument for edgezen search"):
            edgezen.search(device="host", latency="80ms", iterations=50, verify=1, foo=5)

    def test_a_run_that_is_gone_is_no_place_to_go_on_in(self):
        # What a process of its own says goes to stderr as it is, and may name the folder that was made for the run.
        code = (
            "import edgezen, sys\n"
            "from edgezen import program\n"
            "def fails(*line, progress):\n"
            "    import pathlib\n"
            "    run = pathlib.Path(line[line.index('--out') + 1])\n"
            "    run.mkdir()\n"
            "    print('  try: edgezen search --resume --out', run, file=sys.stderr)\n"
            "    raise edgezen.DeviceLostError('the device was lost', None, 4)\n"
            "program.measure = fails\n"
            "try:\n"
            "    edgezen.search(device='host', latency='80ms', verify=1, progress=True)\n"
            "except edgezen.DeviceLostError as error:\n"
            "    print(error.remedy)\n"
        )
        done = in_python(code)
        kept = "search again with out=folder, which keeps the run: resume=True goes on with it\n"
        self.assertEqual(done.stdout, kept, done.stderr)
        lines = done.stderr.splitlines()
        folder = lines[0].split()[-1]
        self.assertEqual(lines[1:], [f"{folder} was a temporary folder, and is removed; {kept.strip()}"])
        self.assertFalse(Path(folder).exists())

    def test_a_run_without_a_place_is_there_as_long_as_it_is_needed(self):
        with tempfile.TemporaryDirectory() as place:
            code = f"""
import copy, edgezen, gc, os, pickle, sys, tempfile
tempfile.tempdir = {place!r}
def search(**options):
    return edgezen.search(device="pixel2", latency="80ms", iterations=100, **options)
run = search()
copied, text, folder = copy.copy(run), pickle.dumps(run), run.folder
del run
gc.collect()
assert copied.folder == folder and (folder / "best.onnx").exists()
child = os.fork()
if child == 0:
    del copied
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
assert edgezen.predict(str(folder), "pixel2").ms > 0.0
copied = edgezen.search(resume=True, out=folder)
gc.collect()
assert (folder / "best.onnx").exists()
del copied
gc.collect()
assert os.listdir({place!r}) == []
assert pickle.loads(text).folder == folder
for wrong in [{{"flops": "1"}}, {{"foo": 5}}, {{"callback": lambda progress: 1 / 0}}]:
    try:
        search(**wrong)
    except (edgezen.EdgezenError, ZeroDivisionError):
        assert os.listdir({place!r}) == [], wrong
    else:
        raise AssertionError(wrong)
kept = search()
"""
            done = in_python(code)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(os.listdir(place), [])

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
        nets = ["resnet18", SMALL, *edgezen.sample("mobilenet", 5)]
        for options in [{}, {"proxy": "macs"}, {"mode": "reference"}, {"input": (1, 3, 64, 64)}]:
            size = {"resolution": 64} if "input" in options else {}
            line = {name: value for name, value in options.items() if name != "input"} | size
            rows = command_line("score", *program.words(line), "--", *nets)
            self.assertEqual(edgezen.score(nets, **options), [row["score"] for row in rows], options)
        exact = command_line("score", "--engine", "exact", "--seed", "3", SMALL)
        self.assertEqual(edgezen.score(SMALL, engine="exact", seed=3), exact[0]["score"])
        ranked = command_line("score", "--proxy", "zen+params", *nets)
        self.assertEqual(edgezen.score(nets, proxy="zen+params"), [row["score"] for row in ranked])
        self.assertEqual(network.info()["exact"]["params"], 500_466)
        self.assertEqual(edgezen.info(network)["exact"]["params"], 500_466)
        self.assertIn("resnet18", [row["name"] for row in edgezen.networks()])
        self.assertIn("pixel2", [row["name"] for row in edgezen.devices()["devices"]])

    def test_samples_are_of_the_space_and_of_their_seed(self):
        nets = edgezen.sample("mobilenet", 30, seed=1)
        self.assertEqual(nets, edgezen.sample("mobilenet", 30, seed=1))
        self.assertNotEqual(nets, edgezen.sample("mobilenet", 30, seed=2))
        self.assertGreater(len(set(nets)), 25)
        self.assertTrue(all("SuperResIDW" in net for net in nets))

    def test_counts_out_of_range_are_refused(self):
        for count in [-1, 1_000_001, 10**12, 10**30]:
            with self.assertRaises(edgezen.UsageError) as caught:
                edgezen.sample("mobilenet", count)
            self.assertIn("several calls with other seeds", caught.exception.remedy)
        self.assertEqual(edgezen.sample("mobilenet", 0), [])
        self.assertEqual(edgezen.sample("mobilenet", 10_001)[:9], edgezen.sample("mobilenet", 9))
        with self.assertRaisesRegex(edgezen.UsageError, "unknown search space"):
            edgezen.sample("squares", 10_001)
        for wrong in [-1, 10**20]:
            for asked in [
                lambda n=wrong: edgezen.sample("mobilenet", 1, seed=n),
                lambda n=wrong: edgezen.score("resnet18", seed=n),
                lambda n=wrong: edgezen.score(["resnet18"], classes=n),
                lambda n=wrong: edgezen.predict("resnet18", "pixel2", batch=n),
                lambda n=wrong: edgezen.predict(["resnet18"], "pixel2", classes=n),
                lambda n=wrong: edgezen.predict(edgezen.Network("resnet18", classes=n), "pixel2"),
            ]:
                with self.assertRaisesRegex(edgezen.UsageError, f"is {wrong}"):
                    asked()
        for wrong in [2.5, "3", True]:
            with self.assertRaisesRegex(TypeError, "whole number"):
                edgezen.sample("mobilenet", wrong)

    def test_ctrl_c_ends_the_wait_for_many_samples(self):
        code = """
import edgezen, os, signal, threading
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    edgezen.sample("mobilenet", 1_000_000)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""
        self.assertEqual(in_python(code).stdout, "stopped\n")

    def test_the_stubs_tell_all_and_nothing_else(self):
        folder = Path(edgezen.__file__).parent
        self.assertTrue((folder / "py.typed").exists())
        stubs = ast.parse((folder / "_edgezen.pyi").read_text())
        told = {node.name for node in stubs.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
        told |= {node.target.id for node in stubs.body if isinstance(node, ast.AnnAssign)}
        there = {name for name in vars(_edgezen) if not name.startswith("__")}
        self.assertEqual(told - {"Predictor"}, there)
        for name in edgezen.__all__:
            value = getattr(edgezen, name)
            self.assertTrue(isinstance(value, str) or value.__doc__, name)

    def test_what_is_no_network_is_refused_at_once(self):
        with self.assertRaisesRegex(TypeError, "not 5"):
            edgezen.Network(5)
        with tempfile.TemporaryDirectory() as folder:
            code = f"""
import os, edgezen
os.chdir({folder!r})
try:
    edgezen.Network("resnet18").to_onnx(5)
except TypeError:
    print(os.listdir())
"""
            self.assertEqual(in_python(code).stdout, "[]\n")
            [job] = jobs.plan_scores(SMALL, Path(folder) / "jobs", parts=1)
            self.assertTrue(job.exists())
        self.assertEqual(list(coding.latencies("v100", SMALL)), [edgezen.predict(SMALL, "v100").ms])
        self.assertEqual(list(coding.scores(lambda nets: [len(nets)], SMALL)), [1.0])

    def test_arguments_are_spoken_of_and_not_options(self):
        for asked, message in [
            (lambda: edgezen.search(device="pixel2", latency="80ms", foo=5), "foo is no argument for edgezen search"),
            (lambda: edgezen.measure(SMALL, foo=5), "foo is no argument for edgezen measure"),
            (lambda: edgezen.score(SMALL, engine="exact", foo_bar=5), "foo_bar is no argument for edgezen score"),
            (lambda: edgezen.score(SMALL, engine="exact", repeats=-1), "invalid value '-1' for repeats: -1 is not in"),
        ]:
            with self.assertRaises(edgezen.UsageError) as caught:
                asked()
            self.assertIn(message, caught.exception.message)
            self.assertNotIn("--", caught.exception.message)
            self.assertIn("--help lists the options; each is an argument", caught.exception.remedy)
        with self.assertRaises(edgezen.UsageError) as caught:
            edgezen.search(device="pixel2", latency="80ms", layer=5)
        self.assertIn("a similar argument exists: layers;", caught.exception.remedy)
        with self.assertRaisesRegex(edgezen.UsageError, "without out") as caught:
            edgezen.search(resume=True)
        self.assertIn("out=", caught.exception.remedy)

    def test_options_become_words(self):
        given = {"iterations": 96_000, "any_shape": True, "se": False, "init": None, "kernels": [3, 5]}
        words = ["--iterations", "96000", "--any-shape", "--kernels", "3", "--kernels", "5"]
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

    def test_what_a_command_in_another_process_said_becomes_message_and_remedy(self):
        said = "note: a\nerror: one\n  try: two\nerror: resnet18: too noisy\n  3 of 9\n  try: close programs\n"
        error = program._error(["measure"], 3, "", None, '[{"median_ms": 1.0}]', said)
        self.assertIsInstance(error, edgezen.NoisyError)
        self.assertEqual((error.message, error.remedy), ("resnet18: too noisy\n  3 of 9", "close programs"))
        self.assertEqual(error.printed, [{"median_ms": 1.0}])
        error = program._error(["measure"], 3, "", None, "", "error: too hot\n")
        self.assertEqual((error.message, error.remedy), ("too hot", None))
        error = program._error(["measure"], 1, "", None, "", "killed")
        self.assertEqual((error.message, error.remedy), ("killed", None))
        self.assertEqual(program._error(["measure"], 9, "", None, "", "").message, "edgezen measure ended with exit code 9")
        self.assertIn("is on stderr", program._error(["search"], 3, "", None, "", None).message)

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
