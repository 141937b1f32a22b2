"""Settings of a run: flags over environment over TOML over defaults, every one of them known by name.

A setting's text form is the same wherever it comes from; ``origin`` remembers where that was.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.budget import Budget, parse_duration

PREFIX = "EVOLVE_"
DEFAULT_TIME = "3m"
DEFAULT_DB = "evolve.db"
SANDBOX_TIERS = ("full", "landlock", "limits", "none")
DEFAULT_TIER = "limits"


class ConfigError(ValueError):
    """A setting is unknown or has a value that it cannot have; the message says where and how to mend it."""


def _integer(low: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"-?\d+", text.strip()) or int(text) < low:
            raise ValueError(f"{text!r} is not a whole number of at least {low}")
        return int(text)

    return parse


def _choice(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(f"{text!r} is not one of {', '.join(names)}{did_you_mean(text, names)}")
        return text

    return parse


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError(f"{text!r} is not a name of up to 64 letters, digits, dots, dashes and underscores")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: its key in TOML, its text parser, its default in text form (None: unset) and its help."""

    key: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    metavar: str


SETTINGS = {
    setting.key: setting
    for setting in (
        Setting(
            key="evaluations",
            parse=_integer(1),
            default=None,
            metavar="N",
            help="Stop after N evaluations (confirmations count, final measurements do not).",
        ),
        Setting(
            key="time",
            parse=parse_duration,
            default=None,
            metavar="TIME",
            help="Stop the search after this long: 90s, 3m, 1h30m.  [default: 3m unless --evaluations]",
        ),
        Setting(
            key="workers",
            parse=_integer(1),
            default=None,
            metavar="N",
            help="Programs judged at the same time.  [default: one for each usable CPU]",
        ),
        Setting(
            key="pool",
            parse=_choice("ray", "serial"),
            default="ray",
            metavar="ray|serial",
            help="Ray workers, or one program at a time in this process.  [default: ray]",
        ),
        Setting(
            key="proposer",
            parse=_choice("operators"),
            default="operators",
            metavar="operators",
            help="Who writes candidates; 'operators' needs neither key nor network.  [default: operators]",
        ),
        Setting(
            key="selector",
            parse=_choice("adaptive", "best_of_n"),
            default="adaptive",
            metavar="adaptive|best_of_n",
            help="Who becomes a parent; 'best_of_n' is the baseline to beat.  [default: adaptive]",
        ),
        Setting(
            key="seed",
            parse=_integer(0),
            default=None,
            metavar="K",
            help="Seed of all search choices.  [default: drawn, and shown]",
        ),
        Setting(
            key="name",
            parse=_name,
            default=None,
            metavar="RUN",
            help="Name of the run.  [default: PROBLEM-DATE]",
        ),
        Setting(
            key="db",
            parse=str,
            default=DEFAULT_DB,
            metavar="PATH|URL",
            help=f"Archive to write to.  [default: {DEFAULT_DB} in this folder]",
        ),
        Setting(
            key="workload",
            parse=str,
            default="generated",
            metavar="generated|FILE",
            help="What to measure on: generated streams or a trace file.  [default: generated]",
        ),
        Setting(
            key="block_size",
            parse=_integer(10),
            default="200",
            metavar="N",
            help="Candidates that meet the same train workloads before fresh ones are drawn.  [default: 200]",
        ),
        Setting(
            key="require_sandbox",
            parse=_choice(*SANDBOX_TIERS),
            default=DEFAULT_TIER,
            metavar="|".join(SANDBOX_TIERS),
            help=f"Refuse to run programs in a sandbox weaker than this.  [default: {DEFAULT_TIER}]",
        ),
        Setting(
            key="clock",
            parse=_choice("real", "counting"),
            default="real",
            metavar="real|counting",
            help="'counting' makes times a function of the calls, for bit-for-bit reproduction.  [default: real]",
        ),
        Setting(
            key="secret_file",
            parse=str,
            default=None,
            metavar="FILE",
            help="Reproduce a run's workloads: file with 64 hexadecimal digits.  [default: a secret is drawn]",
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Resolved settings by key (parsed) and where each came from."""

    values: Mapping[str, Any]
    origin: Mapping[str, str]

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @property
    def budget(self) -> Budget:
        """Limits of the search; three minutes where nothing else is said."""
        return budget_of(self.values)


def budget_of(values: Mapping[str, Any]) -> Budget:
    """The budget in resolved settings."""
    evaluations, seconds = values["evaluations"], values["time"]
    if evaluations is None and seconds is None:
        seconds = parse_duration(DEFAULT_TIME)
    return Budget(evaluations=evaluations, seconds=seconds)


def resolve(flags: Mapping[str, str | None], environ: Mapping[str, str], config_file: str | None) -> Config:
    """Merge the layers: flags, then ``EVOLVE_*``, then TOML, then defaults.

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
    return Config(values=values, origin=origin)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean ...?"`` with the nearest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


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
    for key, value in table.items():
        if key not in SETTINGS:
            raise ConfigError(
                f"{path}: unknown key {key!r}{did_you_mean(key, SETTINGS)}\nhint: known keys are {', '.join(SETTINGS)}"
            )
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ConfigError(f'{path}: key {key!r} must be text or a number\nhint: write {key} = "..."')
        texts[key] = str(value)
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
