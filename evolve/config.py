"""Settings of a run: flags over environment over TOML over defaults, every one of them known by name.

A setting's text form is the same wherever it comes from; ``origin`` remembers where that was.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.workloads.choice import default_workload
from evolve.budget import Budget, parse_duration
from evolve.settings import DEFAULT_TIME, SETTINGS, did_you_mean

PREFIX = "EVOLVE_"
KEY_VARIABLE = "OPENAI_API_KEY"
URL_VARIABLE = "OPENAI_BASE_URL"

TRUSTED_ONLY = frozenset({"base_url", "api_key_file", "models_file"})
"""Settings that say where keys are and where they are sent."""

MODEL_LIMITS = ("tokens", "cost")
"""Limits that mean something only where language models write."""

SEARCH_LIMITS = ("candidates", "evaluations", "time")
"""Limits that mean something whoever writes."""

LIMITS = (*SEARCH_LIMITS, *MODEL_LIMITS)
"""Whatever ends a run."""


class ConfigError(ValueError):
    """A setting is unknown or has a value that it cannot have; the message says where and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Resolved settings by key (parsed) and where each came from."""

    values: Mapping[str, Any]
    origin: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @property
    def budget(self) -> Budget:
        """Limits of the search; three minutes where nothing else is said and nothing else sets an end."""
        return budget_of(self.values)


def budget_of(values: Mapping[str, Any]) -> Budget:
    """The budget in resolved settings."""
    evaluations, seconds = values["evaluations"], values["time"]
    by_models = values["proposer"] == "llm"
    limited = any(values[key] is not None for key in LIMITS if by_models or key not in MODEL_LIMITS)
    if not limited and values["proposer"] in {"operators", "llm"}:
        seconds = parse_duration(DEFAULT_TIME)
    return Budget(
        candidates=values["candidates"],
        evaluations=evaluations,
        seconds=seconds,
        tokens=values["tokens"],
        cost=values["cost"],
    )


def left_out(settings: Mapping[str, Any]) -> frozenset[str]:
    """Names of the parts that the search does without."""
    return frozenset((settings["without"] or "").split(",")) - {""}


def complete(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run, with the defaults of those that it was created without."""
    defaults = {key: None if one.default is None else one.parse(one.default) for key, one in SETTINGS.items()}
    return {**defaults, **values}


def resolve(
    flags: Mapping[str, str | None], environ: Mapping[str, str], config_file: str | None, problem: str = ""
) -> Config:
    """Merge the layers: flags, then ``EVOLVE_*``, then TOML, then defaults, those of a problem where it has any.

    Raises:
        ConfigError: unknown key, unreadable file, or a value that its setting cannot have.
    """
    toml, toml_name = _read_toml(config_file)
    _refuse_typos(environ)
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for key, setting in SETTINGS.items():
        candidates = (
            (flags.get(key), "flag --" + key.replace("_", "-")),
            (environ.get(PREFIX + key.upper()), f"environment {PREFIX}{key.upper()}"),
            (toml.get(key), f"{toml_name}, key {key}"),
            (setting.default, "default"),
        )
        text, where = next(((t, w) for t, w in candidates if t is not None), (None, "default"))
        try:
            values[key] = None if text is None else setting.parse(text)
        except ValueError as error:
            raise ConfigError(f"{where}: {error}\nhint: evolve run --help explains every setting") from error
        origin[key] = where
    if origin["workload"] == "default":
        values["workload"] = default_workload(problem)
    if values["base_url"] is None and values["models_file"] is None and environ.get(URL_VARIABLE):
        values["base_url"] = SETTINGS["base_url"].parse(environ[URL_VARIABLE])
        origin["base_url"] = f"environment {URL_VARIABLE}"
    if values["proposer"] is None:
        values["proposer"], origin["proposer"] = _choose_proposer(values, environ)
    return Config(values=values, origin=origin)


def _choose_proposer(values: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, str]:
    """Who writes where nobody said, and why."""
    if values["replay"] is not None:
        return "replay", "because of --replay"
    for key in ("model", "models_file", "base_url", "api_key_file"):
        if values[key] is not None:
            return "llm", f"because {key} is set"
    if environ.get(KEY_VARIABLE):
        return "llm", f"because {KEY_VARIABLE} is set"
    return "operators", f"because there is no model, {KEY_VARIABLE} or {URL_VARIABLE}"


def _read_toml(config_file: str | None) -> tuple[dict[str, str], str]:
    """Settings of the given file, or of ``[tool.evolve]`` in this folder's pyproject.toml."""
    path = Path(config_file) if config_file else Path("pyproject.toml")
    if not config_file and not path.is_file():
        return {}, "pyproject.toml"
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}\nhint: check --config") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}\nhint: mend the file") from error
    table = document.get("tool", {}).get("evolve", {} if not config_file or "tool" in document else document)
    texts = {}
    for key in () if config_file else sorted(table.keys() & TRUSTED_ONLY):
        # Whoever wrote the project in this folder must not learn a key, or where one is.
        raise ConfigError(
            f"{path}: key {key!r} is not taken from a file that nobody named, for keys could be sent where it says\n"
            f"hint: give it by option, by {PREFIX}{key.upper()}, or name the file with --config"
        )
    for key, value in table.items():
        if key not in SETTINGS:
            raise ConfigError(
                f"{path}: unknown key {key!r}{did_you_mean(key, SETTINGS)}\nhint: known keys are {', '.join(SETTINGS)}"
            )
        if isinstance(value, bool) == bool(SETTINGS[key].metavar) or not isinstance(value, str | int | float):
            raise ConfigError(f'{path}: key {key!r} must be text or a number\nhint: write {key} = "..."')
        texts[key] = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return texts, str(path)


def _refuse_typos(environ: Mapping[str, str]) -> None:
    """Refuse a variable that is nearly one of ours; others with the prefix may belong to someone else."""
    known = {PREFIX + key.upper() for key in SETTINGS}
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if close:
                raise ConfigError(f"environment: unknown variable {name}\nhint: did you mean {close[0]}?")


def environment() -> Mapping[str, str]:
    """This process's environment."""
    return os.environ
