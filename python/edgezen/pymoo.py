"""A problem of pymoo: networks of a search space, with latencies of devices and a zero-shot score as objectives. Needs ``edgezen[pymoo]``.

>>> import edgezen.pymoo
>>> from pymoo.algorithms.moo.nsga2 import NSGA2
>>> from pymoo.optimize import minimize
>>> problem = edgezen.pymoo.Networks(["pixel2", "v100"])
>>> found = minimize(problem, NSGA2(pop_size=64, **edgezen.pymoo.integers()), ("n_gen", 30), seed=0)
>>> problem.rows(found)[0]["net"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import coding
from .errors import UsageError

try:
    import numpy as np
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
except ImportError as error:
    raise ImportError(f"edgezen.pymoo needs pymoo: {error}\n  try: pip install 'edgezen[pymoo]'", name=error.name) from error


class Networks(Problem):
    """Networks of ``space`` (``"mobilenet"``, ``"resnet"`` or a :class:`edgezen.coding.Coding`).

    The objectives, all of which are minimised: the latency on each of ``devices`` (or the one) in milliseconds per image, and the negated score of ``proxy``.
    A device and the proxy may be functions of yours of a list of structure strings, which give milliseconds and scores.
    ``budgets`` (``{"pixel2": "80ms"}``) are constraints: by what share of it a latency exceeds each. A generation is predicted and scored in one
    call for each objective, on all cores.
    """

    def __init__(
        self,
        devices: coding.Device | Sequence[coding.Device],
        space: str | coding.Coding = "mobilenet",
        *,
        proxy: coding.Proxy = "zen",
        budgets: Mapping[coding.Device, str | float] | None = None,
    ) -> None:
        self.devices = [devices] if isinstance(devices, str) or callable(devices) else list(devices)
        if not self.devices:
            raise UsageError("a problem without a device has no latency to minimise", 'edgezen.pymoo.Networks(["pixel2"])', 2)
        self.coding = coding.of_space(space)
        self.proxy = proxy
        self.budgets = {device: coding.milliseconds(limit) for device, limit in (budgets or {}).items()}
        least, most = np.array(self.coding.ranges).T
        super().__init__(
            n_var=len(least), n_obj=len(self.devices) + 1, n_ieq_constr=len(self.budgets), xl=least, xu=most, vtype=int
        )

    def structure(self, numbers: Sequence[float]) -> str:
        """The structure string of the network that a row of ``X`` stands for."""
        return self.coding.structure([round(number) for number in numbers])

    def rows(self, found: Any) -> list[dict[str, Any]]:
        """What pymoo found, as dicts, the greatest score first: ``net``, ``score``, and ``pixel2_ms`` for each device."""
        rows = []
        for numbers, values in zip(np.atleast_2d(found.X), np.atleast_2d(found.F), strict=True):
            latencies = {f"{coding.name(device)}_ms": float(ms) for device, ms in zip(self.devices, values, strict=False)}
            rows.append({"net": self.structure(numbers), "score": -float(values[-1]), **latencies})
        return sorted(rows, key=lambda row: -row["score"])

    def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        nets = [self.structure(numbers) for numbers in x.tolist()]
        latencies = [np.asarray(coding.latencies(device, nets)) for device in self.devices]
        out["F"] = np.column_stack([*latencies, -np.asarray(coding.scores(self.proxy, nets))])
        if self.budgets:
            over = [np.asarray(coding.charged(device, nets)) / limit - 1.0 for device, limit in self.budgets.items()]
            out["G"] = np.column_stack(over)


def integers() -> dict[str, Any]:
    """Operators of pymoo's evolutionary algorithms that make whole numbers."""
    whole = {"repair": RoundingRepair(), "vtype": float}
    return {"sampling": IntegerRandomSampling(), "crossover": SBX(**whole), "mutation": PM(**whole), "eliminate_duplicates": True}
