"""Commands of edgezen, called from Python: in this process, or in one of their own where they measure."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .errors import EdgezenError, by_code
from .extension import extension

#: A function of a structure string, the side of the images, the classes, and whether there is squeeze-excite, that gives a number.
OfStructure: TypeAlias = "Callable[[str, int, int, bool], float]"

#: Hears the remarks of edgezen, such as that a predictor was measured on another computer.
LOGGER = logging.getLogger("edgezen")


def words(options: Mapping[str, Any]) -> list[str]:
    """Options as words of a command line: ``kernels=[3, 5]`` becomes ``--kernels 3 --kernels 5``.

    True stands for the option alone; None and False leave it out.
    """
    line: list[str] = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        word = "--" + name.replace("_", "-")
        if value is True:
            line.append(word)
            continue
        for item in value if isinstance(value, (list, tuple)) else [value]:
            line += [word, os.fspath(item) if isinstance(item, os.PathLike) else str(item)]
    return line


@dataclass
class Functions:
    """Functions in Python that a search calls."""

    #: Hears how far it is: the iteration, how many there are, the best score so far, and how many networks were scored.
    callback: Callable[[int, int, float | None, int], object] | None = None
    #: Gives the score of a network; with its name.
    proxy: tuple[str, OfStructure] | None = None
    #: Each gives the latency of a network on a device, by the name of that.
    predictors: dict[str, OfStructure] = field(default_factory=dict)
    #: The functions of the user behind those, with their names.
    asked: list[tuple[object, str]] = field(default_factory=list)


def run(*line: str | os.PathLike[str], functions: Functions | None = None) -> Any:
    """Runs ``edgezen`` with these words in this process, and gives its result. ``functions`` are called meanwhile.

    Raises an :class:`EdgezenError` where the command fails. Ctrl-C stops a search after a checkpoint.
    """
    called = functions if functions is not None else Functions()
    words = [os.fspath(word) for word in line]
    result, failure, remarks = extension.call(words, called.callback, called.proxy, list(called.predictors.items()))
    if failure is None:
        heard(words, remarks)
        return json.loads(result or "null")
    raise _error(words, *failure, result, "\n".join(remarks))


def measure(*line: str | os.PathLike[str], progress: bool = False) -> Any:
    """As :func:`run`, for commands that measure: in a process of its own, which is quiet. ``progress``: remarks and progress go to
    stderr."""
    import signal
    import subprocess

    command = [sys.executable, "-m", "edgezen", "--json", *[os.fspath(word) for word in line]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=None if progress else subprocess.PIPE) as child:
        try:
            out, err = child.communicate()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            child.wait()
            raise
    if child.returncode == 0:
        return json.loads(out)
    said = None if err is None else err.decode(errors="replace")
    raise _error([os.fspath(word) for word in line], child.returncode, "", None, out.decode(errors="replace"), said)


#: What the command line says of words that it does not understand.
_HELP = "edgezen --help, or --help behind a command, lists the options"
_UNEXPECTED = re.compile(r"unexpected argument '--([^' ]+)' found")
_OPTION = re.compile(r"'--([a-z0-9-]+)(?:[ =][^']*)?'")


def _of_arguments(words: list[str], code: int, message: str, remedy: str | None) -> EdgezenError:
    """The exception of a failure, in the words of somebody who gave arguments of Python, and no options."""
    if remedy is None or not remedy.endswith(_HELP):
        remedy = None if remedy is None else extension.in_arguments(words, remedy)
        return by_code(code, extension.in_arguments(words, message), remedy)
    # Of jobs, the options that are not understood may be those of the command that is planned.
    command = " ".join(words[:2] if words[0] == "jobs" else words[:1])
    # Before the help stand hints of the parser, such as that a similar option exists.
    hints = _OPTION.sub(_argument, remedy.removesuffix(_HELP))
    remedy = f"{hints}edgezen {command} --help lists the options; each is an argument, with _ in the place of -"
    unexpected = _UNEXPECTED.match(message)
    if unexpected is not None:
        name = unexpected[1].replace("-", "_")
        return by_code(code, f"{name} is no argument for edgezen {command}", remedy)
    message = message.removesuffix("For more information, try '--help'.").strip()
    return by_code(code, _OPTION.sub(_argument, message), remedy)


def _argument(option: re.Match[str]) -> str:
    """The argument of Python that stands for the option of the command line that `_OPTION` found."""
    return option[1].replace("-", "_")


def heard(words: list[str], remarks: list[str]) -> None:
    """Passes on what edgezen remarked on the command with these words."""
    for remark in remarks:
        LOGGER.info("%s", extension.in_arguments(words, remark.removeprefix("note: ")))


def _error(
    words: list[str], code: int, message: str, remedy: str | None, result: str | None, said: str | None
) -> EdgezenError:
    """The exception of a command, with its words, that failed: what it gave as its failure, or what stands in its result, or what it said."""
    if message:
        return _of_arguments(words, code, message, remedy)
    try:
        printed = json.loads(result or "")
    except ValueError:
        printed = None
    # Of a list of networks, the failures stand among the answers.
    for item in printed if isinstance(printed, list) else [printed]:
        if isinstance(item, dict) and isinstance(item.get("error"), dict):
            error = item["error"]
            return _of_arguments(words, error["code"], error["message"], error.get("remedy"))
    message, remedy = _last_failure(said or "")
    # Where it was told to show its progress, what it said went to the user already.
    told = "; what it said is on stderr" if said is None else ""
    error = by_code(code, message or f"edgezen {words[0]} ended with exit code {code}{told}", remedy)
    error.printed = printed
    return error


def _last_failure(said: str) -> tuple[str, str | None]:
    """The message and the remedy of the error that the program said last; all that it said, where that is no error."""
    _, found, last = f"\n{said}".rpartition("\nerror: ")
    if not found:
        return said.strip(), None
    message, _, remedy = last.partition("\n  try: ")
    return message.strip(), remedy.strip() or None
