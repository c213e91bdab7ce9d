"""pymoo's NSGA-II looks for the front of three objectives: the latencies on a Pixel 2 and on a V100, and the Zen-Score.

    pip install "$(scripts/build-wheel)" pymoo
    python examples/python/pymoo_front.py

A generation is predicted and scored in one call for each objective, on all cores. Of the front, the program prints the network with the
greatest score inside two budgets.
"""

import edgezen
import numpy as np
from mobilenets import RANGES, structure
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

BUDGETS = {"pixel2": 80.0, "v100": 0.3}  # milliseconds per image


class MobileNets(Problem):
    def __init__(self):
        least, most = np.array(RANGES).T
        super().__init__(n_var=len(RANGES), n_obj=len(BUDGETS) + 1, xl=least, xu=most, vtype=int)

    def _evaluate(self, x, out, *args, **kwargs):
        nets = [structure(numbers) for numbers in x.tolist()]
        latencies = [np.asarray(edgezen.predict(nets, device=device).ms) for device in BUDGETS]
        # All objectives are minimised.
        out["F"] = np.column_stack([*latencies, -np.array(edgezen.score(nets))])


def main():
    integers = {"repair": RoundingRepair(), "vtype": float}
    algorithm = NSGA2(
        pop_size=64, sampling=IntegerRandomSampling(), crossover=SBX(**integers), mutation=PM(**integers), eliminate_duplicates=True
    )
    found = minimize(MobileNets(), algorithm, ("n_gen", 30), seed=0)
    inside = (found.F[:, :-1] <= list(BUDGETS.values())).all(axis=1)
    if not inside.any():
        raise SystemExit(f"none of the {len(found.F)} networks of the front is inside the budgets")
    best = np.argmin(np.where(inside, found.F[:, -1], np.inf))
    print(f"{inside.sum()} of the {len(found.F)} networks of the front are inside the budgets; the best of them:")
    print(structure(found.X[best].astype(int).tolist()))
    print(f"Zen-Score {-found.F[best, -1]:.1f}")
    for device, ms in zip(BUDGETS, found.F[best], strict=False):
        print(f"{device}: {ms:.3g} ms, budget {BUDGETS[device]:g} ms")


if __name__ == "__main__":
    main()
