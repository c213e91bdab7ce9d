"""The jobs of a plan on the computers of a Ray cluster, and measurements on those that have a device. Needs ``edgezen[ray]``.

>>> import edgezen.ray, edgezen.jobs
>>> edgezen.jobs.plan_scores(nets, "jobs", parts=200, engine="exact", repeats=8)
>>> edgezen.ray.run("jobs")
>>> rows = edgezen.jobs.merge("jobs", "scores.json")

Ray is used as the program that calls this has it: after ``ray.init(address=…)`` that cluster, else the one of ``RAY_ADDRESS``, else the cores
of this computer. Each computer of the cluster needs edgezen, of the same version.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from . import jobs
from .errors import DeviceLostError, EdgezenError, NoisyError
from .models import listed

try:
    import ray
    from ray.exceptions import RayTaskError
except ImportError as error:
    raise ImportError(f"edgezen.ray needs Ray: {error}\n  try: pip install 'edgezen[ray]'", name=error.name) from error

#: Tasks that Ray holds at once: more of them wait here, where they cost nothing.
AT_ONCE = 1_000


def run(
    folder: str | os.PathLike[str],
    *,
    cpus: int = 1,
    resources: Mapping[str, float] | None = None,
    retries: int = 3,
    callback: Callable[[int, int], object] | None = None,
) -> list[Path]:
    """Does the jobs in ``folder`` that have no result yet, each as a task of Ray, and gives the files of their results.

    A job gets ``cpus`` cores, and as many threads; ``resources`` are further ones of Ray's that its computer must have. Where a worker dies,
    its job is begun again elsewhere, up to ``retries`` times. The folder need not be shared by the computers: a worker that does not find it works
    on a copy of its job. Where it is shared, a search goes on from its last checkpoint. ``callback`` hears how many of the jobs are done,
    and how many there are.

    The first job that fails ends all of them with its error. What was finished stays; call it again to do the rest.
    """
    folder = Path(folder).resolve()
    unfinished = [(name, place) for name, place in jobs.planned(folder) if not place.exists()]
    plan = (folder / jobs.PLAN).read_bytes()
    options = {"num_cpus": cpus, "resources": dict(resources or {}), "max_retries": retries, "retry_exceptions": [DeviceLostError]}
    task = ray.remote(_job).options(**options)

    def begin(job: tuple[str, Path]) -> Any:
        return task.remote(str(folder), job[0], plan, (folder / job[0]).read_bytes(), cpus)

    def end(job: tuple[str, Path], result: tuple[str, bytes]) -> Path:
        name, content = result
        place = job[1].with_name(name)
        if not place.exists():
            _write(place, content)
        return place

    return _each(unfinished, begin, end, callback)


def measure(
    models: Sequence[Any],
    device: str = "host",
    *,
    resources: Mapping[str, float] | None = None,
    cpus: int = 1,
    retries: int = 3,
    callback: Callable[[int, int], object] | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """The true latencies of networks on a device that is attached to computers of the cluster, as :func:`edgezen.measure` gives them, in the
    order of ``models`` (names, structure strings or ``edgezen.Network``).

    The computers to which the device is attached are told from others by a resource of Ray: ``ray start --resources '{"pixel2": 1}'`` on each,
    and here ``resources={"pixel2": 1}``, which is what stands here if nothing else is said; so a device does one thing at a time. A measurement
    that is too noisy, and one whose device was lost, is begun again up to ``retries`` times.
    """
    wanted = dict(resources) if resources is not None else {device: 1}
    settings = {"num_cpus": cpus, "resources": wanted, "max_retries": retries, "retry_exceptions": [DeviceLostError, NoisyError]}
    task = ray.remote(_measurement).options(**settings)
    return _each(listed(models), lambda model: task.remote(model, device, options), lambda _, row: row, callback)


def _each(
    items: Sequence[Any],
    begin: Callable[[Any], Any],
    end: Callable[[Any, Any], Any],
    callback: Callable[[int, int], object] | None,
) -> list[Any]:
    """Begins a task for each item, and gives what :func:`end` makes of its result, in the order of the items."""
    waiting = iter(enumerate(items))
    running: dict[Any, int] = {}
    results: dict[int, Any] = {}
    try:
        while len(results) < len(items):
            while len(running) < AT_ONCE and (following := next(waiting, None)) is not None:
                running[begin(following[1])] = following[0]
            [task], _ = ray.wait(list(running), num_returns=1)
            number = running.pop(task)
            results[number] = end(items[number], _result(task))
            if callback is not None:
                callback(len(results), len(items))
    finally:
        for task in running:
            ray.cancel(task)
    return [results[number] for number in range(len(items))]


def _result(task: Any) -> Any:
    """What a task gave; its error as it was raised there, without what Ray says of it."""
    try:
        return ray.get(task)
    except RayTaskError as error:
        cause = error.cause
        if isinstance(cause, EdgezenError):
            raise cause from None
        raise


def _job(folder: str, name: str, plan: bytes, job: bytes, threads: int) -> tuple[str, bytes]:
    """Does a job, on the computer of a worker: in its folder where it is there, else in a copy. Gives the name of its result, and the
    result."""
    here = Path(folder)
    if _holds(here / jobs.PLAN, plan) and _holds(here / name, job):
        return _done(here / name, threads)
    with tempfile.TemporaryDirectory(prefix="edgezen-") as copy:
        for file, content in [(jobs.PLAN, plan), (name, job)]:
            (Path(copy) / file).write_bytes(content)
        return _done(Path(copy) / name, threads)


def _done(file: Path, threads: int) -> tuple[str, bytes]:
    result = jobs.run(file, threads=max(1, int(threads)))
    return result.name, result.read_bytes()


def _holds(file: Path, content: bytes) -> bool:
    try:
        return file.read_bytes() == content
    except OSError:
        return False


def _measurement(model: Any, device: str, options: dict[str, Any]) -> dict[str, Any]:
    import edgezen

    return edgezen.measure(model, device, **options)


def _write(place: Path, content: bytes) -> None:
    """Writes a file that is there whole or not at all."""
    place.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as beside:
        whole = Path(beside) / place.name
        with whole.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        whole.replace(place)
