"""pymoo's NSGA-II looks for the front of three objectives: the latencies on a Pixel 2 and on a V100, and the Zen-Score.

    pip install "$(scripts/build-wheel)[pymoo]"
    python examples/python/pymoo_front.py

A generation is predicted and scored in one call for each objective, on all cores. Of the front, the program prints the network with the
greatest score inside two budgets.
"""

import edgezen.pymoo
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize

BUDGETS = {"pixel2": 80.0, "v100": 0.3}  # milliseconds per image


def main():
    problem = edgezen.pymoo.Networks(list(BUDGETS), "mobilenet")
    found = minimize(problem, NSGA2(pop_size=64, **edgezen.pymoo.integers()), ("n_gen", 30), seed=0)
    rows = problem.rows(found)
    inside = [row for row in rows if all(row[f"{device}_ms"] <= budget for device, budget in BUDGETS.items())]
    if not inside:
        raise SystemExit(f"none of the {len(rows)} networks of the front is inside the budgets")
    best = inside[0]
    print(f"{len(inside)} of the {len(rows)} networks of the front are inside the budgets; the best of them:\n{best['net']}")
    print(f"Zen-Score {best['score']:.1f}")
    for device, budget in BUDGETS.items():
        print(f"{device}: {best[f'{device}_ms']:.3g} ms, budget {budget:g} ms")


if __name__ == "__main__":
    main()
