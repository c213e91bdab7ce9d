"""Optuna's sampler looks for the network with the greatest Zen-Score inside two budgets: 80 ms on a Pixel 2, and 0.3 ms on a V100.

    pip install "$(scripts/build-wheel)" optuna
    python examples/python/optuna_two_budgets.py

The networks of a round are predicted and scored in one call each, on all cores.
"""

import edgezen
import optuna
from mobilenets import RANGES, structure

BUDGETS = {"pixel2": 80.0, "v100": 0.3}  # milliseconds per image
ROUNDS, AT_ONCE = 12, 32


def main():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # A trial is feasible where none of its constraints is above zero: here, how far each latency exceeds its budget, as a share of it.
    sampler = optuna.samplers.TPESampler(seed=0, constraints_func=lambda trial: trial.user_attrs["over"])
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(ROUNDS):
        trials = [study.ask() for _ in range(AT_ONCE)]
        nets = [
            structure([trial.suggest_int(f"x{i}", least, most) for i, (least, most) in enumerate(RANGES)])
            for trial in trials
        ]
        charged = {device: edgezen.predict(nets, device=device).charged_ms for device in BUDGETS}
        for i, (trial, net, score) in enumerate(zip(trials, nets, edgezen.score(nets), strict=True)):
            over = [charged[device][i] / budget - 1 for device, budget in BUDGETS.items()]
            trial.set_user_attr("over", over)
            trial.set_user_attr("net", net)
            study.tell(trial, score)
    inside = [trial for trial in study.trials if max(trial.user_attrs["over"]) <= 0]
    if not inside:
        raise SystemExit(f"none of {len(study.trials)} networks is inside the budgets")
    best = max(inside, key=lambda trial: trial.value)
    net = best.user_attrs["net"]
    print(f"{len(inside)} of {len(study.trials)} networks are inside the budgets; the best of them:\n{net}")
    print(f"Zen-Score {best.value:.1f}")
    for device, budget in BUDGETS.items():
        latency = edgezen.predict(net, device=device)
        print(f"{device}: {latency.ms:.3g} ms ({latency.lower_ms:.3g} to {latency.upper_ms:.3g}), budget {budget:g} ms")


if __name__ == "__main__":
    main()
