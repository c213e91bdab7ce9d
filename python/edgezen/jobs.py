"""Slow work in parts, as ``edgezen jobs`` cuts it: a folder with a plan, a file for each job, and a result for each job that was done.

>>> from edgezen import jobs
>>> jobs.plan_scores(nets, "jobs", parts=200, engine="exact", repeats=8)
>>> for file in jobs.unfinished("jobs"):                  # here; or on many computers: edgezen.ray.run("jobs")
...     jobs.run(file)
>>> rows = jobs.merge("jobs", "scores.json")
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import models, program, searching
from .errors import BadFileError, UsageError

#: What lists the jobs of a plan.
PLAN = "plan.json"


def plan_scores(
    nets: str | Sequence[str], folder: str | os.PathLike[str], parts: int | None = None, **options: Any
) -> list[Path]:
    """Plans the scores of ``nets`` (names, structure strings, codes of other search spaces; or one of these) in ``parts``, and gives the files of the jobs.

    ``options`` are those of ``edgezen score``: ``engine="exact"``, ``repeats=8``, ``proxy="te-nas"``, ``seed=1``. The same plan may be
    there already. Raises UsageError for a network or an option that makes no sense, and where another plan is in the folder.
    """
    return _plan([*program.words({"parts": parts, "out": folder}), *models.listed(nets), "--", "score", *program.words(options)])


def plan_searches(
    seeds: int, folder: str | os.PathLike[str], parts: int | None = None, *, seed: int = 0, **options: Any
) -> list[Path]:
    """Plans as many searches as ``seeds`` says, with the seeds from ``seed`` on, in ``parts``, and gives the files of the jobs.

    ``options`` are those of :func:`edgezen.search`: ``device="pixel2", latency="80ms", iterations=960_000``.
    """
    line = program.words({"seeds": seeds, "seed": seed, "parts": parts, "out": folder})
    return _plan([*line, "--", "search", *searching.words(options)])


def _plan(line: list[str]) -> list[Path]:
    return [Path(file) for file in program.run("jobs", "plan", *line)["jobs"]]


def run(
    file: str | os.PathLike[str],
    threads: int | None = None,
    callback: Callable[[int, int, float | None, int], object] | None = None,
) -> Path:
    """Does the job in ``file``, in this process, and gives the file of its result. What was done before is not done again.

    Ctrl-C stops it; a search that was interrupted goes on from its last checkpoint when the job is run again. Raises BadFileError for a
    job that was changed since it was planned, UsageError for one of another version of edgezen or of another search.
    """
    [ran] = program.run("jobs", "run", *program.words({"threads": threads}), "--", file, functions=program.Functions(callback))
    return Path(ran["result"])


def merge(folder: str | os.PathLike[str], output: str | os.PathLike[str], force: bool = False) -> list[dict[str, Any]]:
    """Puts the results of all jobs together in the file ``output``, which has the same bytes for any number of parts and computers, and
    gives its rows: one for each network or seed.

    Raises EdgezenError where jobs have no result yet.
    """
    program.run("jobs", "merge", *program.words({"output": output, "force": force}), "--", folder)
    return json.loads(Path(output).read_bytes())


def unfinished(folder: str | os.PathLike[str]) -> list[Path]:
    """The files of the jobs that have no result yet, in the order of the plan."""
    return [Path(folder) / name for name, place in planned(folder) if not place.exists()]


def planned(folder: str | os.PathLike[str]) -> list[tuple[str, Path]]:
    """The jobs of a plan: the name of the file of each, and where its result is to lie."""
    place = Path(folder) / PLAN
    try:
        listed = json.loads(place.read_bytes())
        return [(job["file"], Path(folder) / "results" / f"{job['sha256']}.json") for job in listed["jobs"]]
    except FileNotFoundError:
        raise UsageError(f"{place}: there is no plan", "edgezen.jobs.plan_scores or edgezen jobs plan writes one", 2) from None
    except (ValueError, KeyError, TypeError) as error:
        raise BadFileError(f"{place}: no list of jobs: {error!r}", "edgezen jobs plan writes it anew, by the same words", 7) from None
