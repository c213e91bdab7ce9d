"""The extension module: edgezen in this process. The package calls it; its functions take their arguments by position alone."""

from collections.abc import Callable

version: str
#: Proxies that :func:`score_many` computes.
closed_forms: list[str]

class Predictor:
    """A predictor that was read; what :func:`load` gives. It has no attributes."""

def call(
    words: list[str],
    callback: Callable[[int, int, float | None, int], object] | None,
    proxy: tuple[str, Callable[[str, int, int, bool], float]] | None,
    predictors: list[tuple[str, Callable[[str, int, int, bool], float]]],
    /,
) -> tuple[str | None, tuple[int, str, str | None] | None, list[str]]:
    """Runs the command with these words (without the name of the program).

    Gives its result as JSON, or None; its failure as exit code, message and remedy, or None; and its remarks. ``callback`` hears of a
    search: the iteration, how many there are, the best score so far, and how many networks were scored. ``proxy`` is what a search
    maximises, and how that is called; each of ``predictors`` gives the latency (milliseconds per image) on the device of that name. They are
    called with the structure string of a network, the side of its images, its classes, and whether it has squeeze-excite. Ctrl-C, and what
    a function raises, stop a search after a checkpoint and are raised here.
    """

def main(line: list[str], program: str | None, words: list[str], /) -> int:
    """The command line ``line``, which begins with the name of the program; prints, and gives the exit code.

    ``program`` with ``words`` before its own starts the command line again, for measurements in processes of their own.
    """

def in_arguments(words: list[str], text: str, /) -> str:
    """``text`` with the options of the command that begins with ``words`` as arguments of Python: ``--out DIR`` as ``out=DIR``. Command
    lines that it names stay as they are."""

def load(device: str | None, predictor: str | None, batch: int | None, /) -> tuple[Predictor, str, list[str]]:
    """The predictor of a device or in a file: itself, its identity, and what a person should know of it. One that was read before is
    kept, until a file changes by which its name may mean another."""

def predict_many(
    predictor: Predictor,
    nets: list[str],
    resolution: str | None,
    classes: int | None,
    se: bool,
    partial: bool,
    /,
) -> dict[str, bytes]:
    """The latencies of networks, on all cores: ``ms``, ``lower_ms``, ``upper_ms``, ``charged_ms`` (milliseconds per image), ``coverage``
    (0 to 1), and ``images_per_s`` where the identity states throughputs. Each is an array of ``len(nets)`` doubles, in their order."""

def score_many(
    nets: list[str],
    proxy: str,
    mode: str,
    seed: int,
    resolution: str | None,
    classes: int | None,
    se: bool,
    /,
) -> bytes:
    """The scores of networks in closed form, on all cores: an array of ``len(nets)`` doubles, in their order."""

def sample(space: str, count: int, seed: int, /) -> list[str]:
    """Structures of a search space, by a walk at random that the seed fixes."""
