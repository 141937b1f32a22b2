"""What an evaluator said, taken from the sandbox in a declared form, and the score that OpenEvolve would make of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from evaluators.lines import printable
from evaluators.model import Outcome
from evaluators.problem import RefusedError

SCORE = "combined_score"
ERROR = "error"
MOST_TEXTS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one stage, or several together, reported.

    Args:
        numbers: metrics by name; may be NaN or infinite.
        flags: those that are true or false.
        texts: those that are neither.
        artifacts: texts for whoever writes the next program.
        stages: how many stages reported.
    """

    numbers: Mapping[str, float]
    flags: Mapping[str, bool] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, str] = field(default_factory=dict)
    stages: int = 1


def read_said(value: object) -> Said:
    """Take a reply of `evaluators.foreign.inside.driver`, trusting nothing.

    Raises:
        RefusedError: it is in another form (then it is forged, for the driver has written it), or the evaluator
            returned something else than figures.
    """
    forged = RefusedError(Outcome.CHEATED, "a reply that the driver of the task does not give")
    if not isinstance(value, Mapping):
        raise forged
    kind = value.get("kind")
    if kind != "result":
        if not isinstance(kind, str):
            raise forged
        reason = f"the evaluator returned a {printable(kind)}, neither a dict of metrics nor an EvaluationResult"
        raise RefusedError(Outcome.WRONG, reason, check="result")
    numbers: dict[str, float] = {}
    flags: dict[str, bool] = {}
    texts: dict[str, str] = {}
    for name, what, text in _rows(value.get("metrics"), 3, forged):
        if what == "number":
            numbers[printable(name)] = _number(text, forged)
        elif what == "flag":
            flags[printable(name)] = text == "True"
        else:
            texts[printable(name)] = text
    artifacts = {printable(name): text for name, text in _rows(value.get("artifacts"), 2, forged)}
    return Said(numbers=numbers, flags=flags, texts=texts, artifacts=artifacts)


def check_error(said: Said) -> None:
    """Hold to its word an evaluator that calls its result an error.

    Raises:
        RefusedError: it does, in a text. OpenEvolve takes the score that stands beside, mostly 0, which is the best of
            all where scores are negative.
    """
    if said.texts.get(ERROR):
        reason = f"the task reports an error: {printable(said.texts[ERROR], 400)}"
        raise RefusedError(Outcome.WRONG, reason, check="error")


def passes(said: Said, threshold: float) -> bool:
    """Whether the next stage runs: by ``combined_score``, else by the mean of all that are numbers but ``error``."""
    figures = {**said.numbers, **said.flags}
    if SCORE in figures:
        return figures[SCORE] >= threshold
    counted = [value for name, value in figures.items() if name != ERROR]
    return bool(counted) and sum(counted) / len(counted) >= threshold


def merged(before: Said, after: Said) -> Said:
    """What two stages said together; the later one goes before."""
    counted = [
        (name, float(value)) for each in (before, after) for name, value in [*each.numbers.items(), *each.flags.items()]
    ]
    return replace(
        after,
        numbers={name: value for name, value in counted if name != ERROR},
        flags={},
        artifacts={**before.artifacts, **after.artifacts},
        stages=before.stages + after.stages,
    )


def score_of(said: Said, features: Sequence[str]) -> float:
    """``combined_score``, else the mean of the figures that are no features; what is true counts 1, what is false 0.

    Raises:
        RefusedError: there is none, or it is not finite.
    """
    figures = {**said.numbers, **{name: float(flag) for name, flag in said.flags.items()}}
    if SCORE in figures:
        score, what = figures[SCORE], SCORE
    else:
        numbers = {name: value for name, value in figures.items() if not math.isnan(value)}
        if not set(numbers) - {ERROR}:
            raise RefusedError(Outcome.WRONG, "the evaluator reports no number to score by", check="score")
        counted = [value for name, value in numbers.items() if name not in features] or list(numbers.values())
        score, what = sum(counted) / len(counted), "the mean of its metrics"
    if not math.isfinite(score):
        raise RefusedError(Outcome.WRONG, f"{what} is {score}", check="score")
    return score


def told(said: Said) -> str:
    """Artifacts and texts for a reader."""
    parts = [*said.texts.items(), *said.artifacts.items()]
    odd = [(name, f"is {value}") for name, value in said.numbers.items() if not math.isfinite(value)]
    return "".join(f"[{name}] {text.strip()}\n" for name, text in [*parts, *odd] if text.strip())


def _rows(value: object, width: int, forged: RefusedError) -> list[list[str]]:
    if not isinstance(value, list | tuple) or len(value) > MOST_TEXTS:
        raise forged
    rows = []
    for row in value:
        if not isinstance(row, list | tuple) or len(row) != width or not all(isinstance(item, str) for item in row):
            raise forged
        rows.append(list(row))
    return rows


def _number(text: str, forged: RefusedError) -> float:
    try:
        return float(text)
    except ValueError:
        raise forged from None
