"""What needs packages of others: samplers of Optuna and pymoo, and data frames of pandas."""

import unittest

import edgezen
import edgezen.optuna
import edgezen.pymoo
import numpy as np
import optuna
from edgezen import coding
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

BUDGETS = {"pixel2": "80ms", "v100": 0.3}


def blocks_of(nets):
    """A predictor and a proxy of one's own: a tenth of a millisecond, or a tenth, for each block of a network."""
    return [net.count("(") / 10 for net in nets]


class Optuna(unittest.TestCase):
    def setUp(self):
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    def test_a_network_inside_two_budgets_is_found(self):
        study = edgezen.optuna.search(BUDGETS, rounds=4, at_once=24)
        best = edgezen.optuna.best(study)
        net = best.user_attrs["net"]
        self.assertEqual(len(study.trials), 96)
        self.assertLessEqual(edgezen.predict(net, "pixel2").charged_ms, 80.0)
        self.assertLessEqual(edgezen.predict(net, "v100").charged_ms, 0.3)
        self.assertEqual(best.value, edgezen.score(net))
        edgezen.optuna.search(BUDGETS, rounds=1, at_once=4, study=study)
        self.assertEqual(len(study.trials), 100)

    def test_an_objective_of_ones_own_has_the_constraints(self):
        budgets = edgezen.optuna.Budgets({"pixel2": "40ms"})

        def objective(trial):
            net = edgezen.optuna.suggest(trial, "resnet")
            kept = budgets.keeps(trial, net)
            self.assertEqual(kept, edgezen.predict(net, "pixel2").charged_ms <= 40.0)
            return float(len(net))

        study = optuna.create_study(direction="maximize", sampler=budgets.sampler(seed=1))
        study.optimize(objective, n_trials=12)
        over = [budgets.constraints(trial)[0] for trial in study.trials]
        nets = [trial.user_attrs["net"] for trial in study.trials]
        self.assertEqual(over, [shares[0] for shares in budgets.over(nets)])
        with self.assertRaises(edgezen.InfeasibleError):
            edgezen.optuna.best(edgezen.optuna.search({"pixel2": "1us"}, rounds=1, at_once=3))

    def test_what_is_no_budget_is_refused(self):
        for wrong in [{}, "80ms", None]:
            with self.assertRaisesRegex(edgezen.UsageError, "no budgets"):
                edgezen.optuna.search(wrong)

    def test_functions_may_stand_in_the_place_of_devices_and_proxies(self):
        study = edgezen.optuna.search({blocks_of: "700us"}, proxy=blocks_of, rounds=1, at_once=6)
        self.assertEqual({trial.value for trial in study.trials}, {0.7})
        self.assertEqual(edgezen.optuna.best(study).value, 0.7)
        with self.assertRaisesRegex(edgezen.UsageError, "2 numbers for 1"):
            coding.scores(lambda nets: [1.0] * 2, ["resnet18"])


class Pymoo(unittest.TestCase):
    def test_a_front_of_two_devices_and_the_score_is_found(self):
        problem = edgezen.pymoo.Networks(["pixel2", "v100"], budgets={"pixel2": "80ms"})
        found = minimize(problem, NSGA2(pop_size=24, **edgezen.pymoo.integers()), ("n_gen", 8), seed=0)
        rows = problem.rows(found)
        self.assertGreater(len(rows), 3)
        self.assertEqual(rows, sorted(rows, key=lambda row: -row["score"]))
        for row in rows[:3]:
            latency = edgezen.predict(row["net"], "pixel2")
            self.assertEqual((row["pixel2_ms"], row["score"]), (latency.ms, edgezen.score(row["net"])))
            self.assertLessEqual(latency.charged_ms, 80.0)

    def test_functions_may_stand_in_the_place_of_devices_and_proxies(self):
        problem = edgezen.pymoo.Networks([blocks_of, "v100"], "resnet", proxy=blocks_of, budgets={blocks_of: 0.5})
        numbers = np.array([[least for least, _ in problem.coding.ranges], [most for _, most in problem.coding.ranges]])
        out = problem.evaluate(numbers, return_as_dictionary=True)
        np.testing.assert_allclose(out["F"][:, [0, 2]], [[0.6, -0.6]] * 2)
        np.testing.assert_allclose(out["G"], [[0.2]] * 2)

    def test_one_device_may_stand_alone(self):
        for devices in ["v100", ["v100"], blocks_of]:
            problem = edgezen.pymoo.Networks(devices)
            self.assertEqual((len(problem.devices), problem.n_obj), (1, 2))
        with self.assertRaisesRegex(edgezen.UsageError, "without a device"):
            edgezen.pymoo.Networks([])


class Coding(unittest.TestCase):
    def test_all_numbers_stand_for_networks(self):
        for space in ["mobilenet", "resnet"]:
            known = coding.of_space(space)
            rng = np.random.default_rng(0)
            least, most = np.array(known.ranges).T
            nets = [known.structure(rng.integers(least, most + 1)) for _ in range(200)]
            self.assertEqual(len(edgezen.predict(nets, "v100").ms), 200)
            self.assertTrue(np.isfinite(edgezen.score(nets)).all())
            for wrong in [list(most + 1), list(least)[:-1]]:
                with self.assertRaisesRegex(edgezen.UsageError, "stand for no network"):
                    known.structure(wrong)
        with self.assertRaisesRegex(edgezen.UsageError, "mobilenets"):
            coding.of_space("mobilenets")

    def test_times_have_units(self):
        for text, ms in [("80ms", 80.0), ("300us", 0.3), ("1.5s", 1500.0), (" 2 ms", 2.0), (7, 7.0)]:
            self.assertAlmostEqual(coding.milliseconds(text), ms)
        for wrong in ["80", "ms", "fast", "8 m"]:
            with self.assertRaisesRegex(edgezen.UsageError, "no time"):
                coding.milliseconds(wrong)


class Frames(unittest.TestCase):
    def test_latencies_breakdowns_and_fronts_are_frames(self):
        nets = edgezen.sample("mobilenet", 5)
        frame = edgezen.predict(nets, "pixel2").frame()
        self.assertEqual(list(frame["net"]), nets)
        self.assertEqual(list(frame["ms"]), [edgezen.predict(net, "pixel2").ms for net in nets])
        blocks = edgezen.predict("mobilenet_v2", "pixel2", breakdown=True).frame()
        self.assertGreater(len(blocks), 10)
        self.assertGreater(blocks["ms"].sum(), 10.0)
        run = edgezen.search(device="pixel2", latency="80ms", iterations=300)
        self.assertEqual(list(run.frame()["net"]), [network.net for network in run.front])


if __name__ == "__main__":
    unittest.main()
