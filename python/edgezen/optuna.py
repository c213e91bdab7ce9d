"""Optuna over a search space: trials that are networks, and latencies of devices as constraints. Needs ``edgezen[optuna]``.

>>> import edgezen.optuna
>>> study = edgezen.optuna.search({"pixel2": "80ms", "v100": "0.3ms"})
>>> edgezen.optuna.best(study).user_attrs["net"]

With an objective of one's own, as an accuracy after a short training:

>>> budgets = edgezen.optuna.Budgets({"pixel2": "80ms"})
>>> def objective(trial):
...     net = edgezen.optuna.suggest(trial)
...     return train(net) if budgets.keeps(trial, net) else 0.0
>>> study = optuna.create_study(direction="maximize", sampler=budgets.sampler())
>>> study.optimize(objective, n_trials=50)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import coding
from .errors import InfeasibleError, UsageError

try:
    import optuna
except ImportError as error:
    raise ImportError(f"edgezen.optuna needs Optuna: {error}\n  try: pip install 'edgezen[optuna]'", name=error.name) from error

#: By what share of each budget the network of a trial exceeds it: an attribute of the trial.
OVER = "edgezen:over"


def suggest(trial: optuna.Trial, space: str | coding.Coding = "mobilenet") -> str:
    """The structure string of a network that the trial suggests, from ``"mobilenet"``, ``"resnet"`` or a :class:`edgezen.coding.Coding`; also its
    attribute ``net``."""
    chosen = coding.of_space(space)
    net = chosen.structure([trial.suggest_int(f"x{i}", least, most) for i, (least, most) in enumerate(chosen.ranges)])
    trial.set_user_attr("net", net)
    return net


class Budgets:
    """Budgets on latencies per image, of one or several devices, as constraints of Optuna: ``{"pixel2": "80ms", "v100": 0.3}`` (milliseconds
    where no unit is said). What a search compares is compared here: the latency, with the upper end of its interval for what lies outside the
    predictor's domain. A predictor of your own, a function of a list of structure strings that gives milliseconds, may stand in the place of a
    device (``{mine: "5ms"}``); it takes as long as it takes."""

    def __init__(self, limits: Mapping[coding.Device, str | float]) -> None:
        if not isinstance(limits, Mapping) or not limits:
            raise UsageError(f"{limits!r} are no budgets", '{"pixel2": "80ms"}: a latency for one device or several', 2)
        self.limits = {device: coding.milliseconds(limit) for device, limit in limits.items()}

    def over(self, nets: Sequence[str]) -> list[list[float]]:
        """Of each network, by what share of each budget it exceeds it; negative where it keeps it. All are predicted at once."""
        shares = [
            [charged / limit - 1.0 for charged in coding.charged(device, nets)] for device, limit in self.limits.items()
        ]
        return [list(shares_of_one) for shares_of_one in zip(*shares, strict=True)]

    def keeps(self, trial: optuna.Trial, net: str) -> bool:
        """Whether the network of a trial keeps the budgets; the trial remembers by how much it does, for the sampler."""
        [over] = self.over([net])
        trial.set_user_attr(OVER, over)
        return max(over) <= 0.0

    def sampler(self, sampler: type[optuna.samplers.BaseSampler] = optuna.samplers.TPESampler, **options: Any) -> Any:
        """A sampler of Optuna's that prefers what keeps the budgets: ``TPESampler``, or another that takes ``constraints_func``."""
        return sampler(constraints_func=self.constraints, **options)

    @staticmethod
    def constraints(trial: optuna.trial.FrozenTrial) -> Sequence[float]:
        """Constraints as Optuna wants them: none is above zero where the budgets are kept. A trial that never was predicted keeps none."""
        return trial.user_attrs.get(OVER, [float("inf")])


def search(
    limits: Mapping[coding.Device, str | float],
    space: str | coding.Coding = "mobilenet",
    *,
    proxy: coding.Proxy = "zen",
    rounds: int = 12,
    at_once: int = 32,
    study: optuna.Study | None = None,
    seed: int = 0,
) -> optuna.Study:
    """Optuna's search of the network with the greatest zero-shot score inside the budgets: ``rounds`` times ``at_once`` trials; those of a round are
    predicted and scored in one call each, on all cores. ``proxy`` may be a function of yours of a list of structure strings that gives their
    scores, which is as slow as it is. ``study`` goes on with one that :func:`search` made, or that has a sampler of
    :meth:`Budgets.sampler`.

    Each trial has the attributes ``net`` and ``edgezen:over``.
    """
    budgets = Budgets(limits)
    if study is None:
        study = optuna.create_study(direction="maximize", sampler=budgets.sampler(seed=seed))
    for _ in range(rounds):
        trials = [study.ask() for _ in range(at_once)]
        nets = [suggest(trial, space) for trial in trials]
        for trial, over, value in zip(trials, budgets.over(nets), coding.scores(proxy, nets), strict=True):
            trial.set_user_attr(OVER, over)
            study.tell(trial, value)
    return study


def best(study: optuna.Study) -> optuna.trial.FrozenTrial:
    """The trial with the greatest value of those that keep the budgets. Raises InfeasibleError where none does."""
    inside = [trial for trial in study.get_trials(states=[optuna.trial.TrialState.COMPLETE]) if max(Budgets.constraints(trial)) <= 0.0]
    if not inside:
        raise InfeasibleError(f"none of {len(study.trials)} networks keeps the budgets", "more trials, or larger budgets", 6)
    return max(inside, key=lambda trial: trial.value)
