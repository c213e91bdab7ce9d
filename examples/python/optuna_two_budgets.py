"""Optuna's sampler looks for the network with the greatest Zen-Score inside two budgets: 80 ms on a Pixel 2, and 0.3 ms on a V100.

    pip install "$(scripts/build-wheel)[optuna]"
    python examples/python/optuna_two_budgets.py

The networks of a round are predicted and scored in one call each, on all cores.
"""

import edgezen
import edgezen.optuna
import optuna

BUDGETS = {"pixel2": 80.0, "v100": 0.3}  # milliseconds per image


def main():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = edgezen.optuna.search(BUDGETS, "mobilenet", rounds=12, at_once=32)
    best = edgezen.optuna.best(study)
    net = best.user_attrs["net"]
    print(f"the best of {len(study.trials)} networks inside the budgets:\n{net}\nZen-Score {best.value:.1f}")
    for device, budget in BUDGETS.items():
        latency = edgezen.predict(net, device=device)
        print(f"{device}: {latency.ms:.3g} ms ({latency.lower_ms:.3g} to {latency.upper_ms:.3g}), budget {budget:g} ms")


if __name__ == "__main__":
    main()
