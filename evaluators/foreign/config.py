"""What a task's YAML file asks for, in OpenEvolve's terms, with OpenEvolve's defaults.

Source of names and defaults: ``openevolve/config.py`` (classes `Config`, `EvaluatorConfig`) of
github.com/algorithmicsuperintelligence/openevolve. Settings about models, prompts' templates, islands and archives
are about the search, which is ours, and are not read.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from evaluators.problem import ProblemError

MOST_BYTES = 1 << 20
MOST_STAGES = 3
MOST = 1e12
"""Of any number there."""
FEATURES = ("complexity", "diversity")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskConfig:
    """Settings of a task.

    Args:
        timeout_seconds: for each stage.
        cascade: whether stages are used where the evaluator has them.
        thresholds: the score that each stage must reach for the next one to run.
        memory_bytes: of all processes together; None for ours.
        processors: how many it may use.
        features: metrics that do not count in a mean.
        system_message: what its author tells a model; may be empty.
        iterations: how many candidates its author had in mind; None if nothing is said.
    """

    timeout_seconds: float = 300.0
    cascade: bool = True
    thresholds: tuple[float, ...] = (0.5, 0.75, 0.9)
    memory_bytes: int | None = None
    processors: int = 1
    features: tuple[str, ...] = FEATURES
    system_message: str = ""
    iterations: int | None = None


def read_config(path: Path, content: bytes) -> TaskConfig:
    """Read a task's settings.

    Args:
        path: where they stand, for errors.
        content: of the file.

    Raises:
        ProblemError: they cannot be read, or ask for what cannot be had.
    """
    if len(content) > MOST_BYTES:
        raise ProblemError(f"{path} is larger than {MOST_BYTES} bytes\nhint: it must be a task's YAML settings")
    try:
        given = yaml.safe_load(content.decode("utf-8"))
    except (ValueError, OverflowError, RecursionError, yaml.YAMLError) as error:
        raise ProblemError(f"{path} cannot be read: {error}\nhint: it must be a task's YAML settings") from error
    reader = _Reader(path, {} if given is None else given)
    _refuse(reader)
    default = TaskConfig()
    evaluator, message = reader.section("evaluator"), reader.section("prompt").values.get("system_message")
    memory = evaluator.number("memory_limit_mb", None)
    processors = evaluator.number("cpu_limit", 1.0) or 1.0
    iterations = reader.number("max_iterations", None)
    features = reader.section("database").values.get("feature_dimensions", list(default.features))
    return TaskConfig(
        timeout_seconds=evaluator.number("timeout", default.timeout_seconds) or default.timeout_seconds,
        cascade=evaluator.flag("cascade_evaluation", default=default.cascade),
        thresholds=evaluator.numbers("cascade_thresholds", default.thresholds)[:MOST_STAGES],
        memory_bytes=None if memory is None else int(memory * (1 << 20)),
        processors=max(1, math.ceil(processors)),
        features=tuple(name for name in features if isinstance(name, str)) if isinstance(features, list) else FEATURES,
        system_message=message.strip() if isinstance(message, str) else "",
        iterations=None if iterations is None else int(iterations),
    )


def _refuse(reader: _Reader) -> None:
    """Say in one sentence what cannot be run.

    Raises:
        ProblemError: always, if there is anything.
    """
    language, suffix = reader.values.get("language"), reader.values.get("file_suffix", ".py")
    if suffix != ".py" or (isinstance(language, str) and not language.lower().startswith("python")):
        named = reprlib.repr(language or suffix)
        raise ProblemError(f"{reader.path} asks for programs in {named}; only tasks whose programs are Python are run")
    if reader.section("evaluator").flag("use_llm_feedback", default=False):
        raise ProblemError(
            f"{reader.path} sets evaluator.use_llm_feedback: a model would be part of the score, and evaluators here "
            "have no network\nhint: set it to false to run the task without that part"
        )


@dataclass(frozen=True, slots=True)
class _Reader:
    """One mapping of the file."""

    path: Path
    values: Mapping[str, Any]
    name: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.values, Mapping):
            raise ProblemError(f"{self.path}: {self.name or 'it'} must hold settings by name")

    def section(self, name: str) -> _Reader:
        found = self.values.get(name)
        return _Reader(self.path, {} if found is None else found, name)

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise self._bad(name, value, "true or false")
        return value

    def number(self, name: str, default: float | None) -> float | None:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not (0 < value < math.inf):
            raise self._bad(name, value, "a number above 0")
        if value > MOST:
            raise self._bad(name, value, f"at most {MOST:g}")
        return float(value)

    def numbers(self, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, list) or not all(_is_number(each) for each in value):
            raise self._bad(name, value, "a list of numbers")
        return tuple(map(float, value))

    def _bad(self, name: str, value: object, wanted: str) -> ProblemError:
        where = f"{self.name}.{name}" if self.name else name
        return ProblemError(f"{self.path}: {where} must be {wanted}, not {reprlib.repr(value)}"[:300])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST <= value <= MOST
