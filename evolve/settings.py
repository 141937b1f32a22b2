"""The settings of a run: every one of them with its key, parser, default and help."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from evaluators.workloads.choice import DEFAULT_WORKLOAD, GENERATED
from evolve.budget import parse_duration

DEFAULT_DB = "evolve.db"
SANDBOX_TIERS = ("full", "landlock", "limits", "none")
DEFAULT_TIER = "limits"
DEFAULT_TIME = "3m"
DEVICES = ("auto", "cpu", "cuda")
SELECTOR_NAMES = ("adaptive", "pareto", "beam", "sequential", "best_of_n")
PARTS = ("bandit", "tuner", "racing", "repeats", "islands", "novelty", "operators", "simplify")
"""Parts of the search that may be left out."""
DEFAULT_COST = 2.0
"""US dollars that a run with models of known prices may spend where no limit is given at all."""


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


def _several(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        given = [part.strip() for part in text.split(",")]
        for name in given:
            _choice(*names)(name)
        return ",".join(dict.fromkeys(given))

    return parse


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{text!r} is not a number above zero")
    return value


def _temperature(text: str) -> float:
    value = 0.0 if text.strip() in {"0", "0.0"} else _positive(text)
    if value > 2:
        raise ValueError(f"{text!r} is not a temperature between 0 and 2")
    return value


def _yes_or_no(text: str) -> bool:
    if text.lower() not in {"yes", "no", "true", "false", "1", "0"}:
        raise ValueError(f"{text!r} is neither yes nor no")
    return text.lower() in {"yes", "true", "1"}


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+\S*", text):
        raise ValueError(f"{text!r} is no address such as http://127.0.0.1:8000/v1")
    if "@" in text.partition("//")[2].partition("/")[0]:
        raise ValueError("the address holds a user or password; give keys by OPENAI_API_KEY or --api-key-file")
    return text.rstrip("/")


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", text):
        raise ValueError(f"{text!r} is not a name of up to 64 letters, digits, dots, dashes and underscores")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting.

    Args:
        key: its name in TOML.
        parse: its text parser.
        default: in text form; None: unset.
        help: what it does.
        metavar: what stands for its value in a usage line; empty for a switch, which says yes or no.
        repeated: whether the option may be given several times; the texts are joined by commas.
    """

    key: str
    parse: Callable[[str], Any]
    default: str | None
    help: str
    metavar: str
    repeated: bool = False


SETTINGS = {
    setting.key: setting
    for setting in (
        Setting(
            key="candidates",
            parse=_integer(1),
            default=None,
            metavar="N",
            help="Stop after N candidates beside the starting programs, whoever writes them.",
        ),
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
            help="Stop the search after this long: 90s, 3m, 1h30m.  "
            "[default: 3m where no limit is given, none for evolve serve and --replay]",
        ),
        Setting(
            key="workers",
            parse=_integer(1),
            default=None,
            metavar="N",
            help="Programs judged at the same time.  [default: one for each usable CPU, for kernels 8 that compile for "
            "each GPU]",
        ),
        Setting(
            key="pool",
            parse=_choice("ray", "serial"),
            default="ray",
            metavar="ray|serial",
            help="Ray workers, or one program at a time in this process.  [default: ray]",
        ),
        Setting(
            key="tokens",
            parse=_integer(1),
            default=None,
            metavar="N",
            help="Stop before models have read and written more than N tokens, calls under way included.",
        ),
        Setting(
            key="cost",
            parse=_positive,
            default=None,
            metavar="USD",
            help="Stop before models have cost more than this, calls under way included.  "
            f"[default: {DEFAULT_COST:.2f} where no limit is given and the prices are known]",
        ),
        Setting(
            key="proposer",
            parse=_choice("operators", "llm", "external", "replay"),
            default=None,
            metavar="operators|llm|external|replay",
            help="Who writes candidates: syntax-tree operators (no key, no network), language models, somebody outside "
            "(see evolve serve), or a recorded run.  [default: llm with a model, key or base URL, else operators]",
        ),
        Setting(
            key="model",
            parse=str,
            default=None,
            metavar="NAME[=WEIGHT]",
            repeated=True,
            help="Model that writes programs; several (repeat the option) take turns by weight.  "
            "[default: what the server offers]",
        ),
        Setting(
            key="base_url",
            parse=_url,
            default=None,
            metavar="URL",
            help="OpenAI-compatible server, such as http://127.0.0.1:8000/v1.  [default: OPENAI_BASE_URL, else OpenAI]",
        ),
        Setting(
            key="api_key_file",
            parse=str,
            default=None,
            metavar="FILE",
            help="File with the server's key.  [default: OPENAI_API_KEY; a key is never an option or a setting]",
        ),
        Setting(
            key="models_file",
            parse=str,
            default=None,
            metavar="FILE",
            help="TOML file with [[model]] tables, for several servers; docs/proposers.md describes it.",
        ),
        Setting(
            key="prices_file",
            parse=str,
            default=None,
            metavar="FILE",
            help="TOML file with prices that add to the built-in table or replace its rows.",
        ),
        Setting(
            key="concurrency",
            parse=_integer(1),
            default="8",
            metavar="N",
            help="Requests to each model at the same time.  [default: 8]",
        ),
        Setting(
            key="max_tokens",
            parse=_integer(64),
            default="8192",
            metavar="N",
            help="Longest answer in tokens, reasoning included.  [default: 8192]",
        ),
        Setting(
            key="temperature",
            parse=_temperature,
            default=None,
            metavar="T",
            help="Sampling temperature, 0 to 2.  [default: the server's]",
        ),
        Setting(
            key="agentic",
            parse=_yes_or_no,
            default="no",
            metavar="",
            help="Let models call tools (evaluate, inspect, top, diff, profile, hypothesis) before they submit.",
        ),
        Setting(
            key="insights_every",
            parse=_integer(0),
            default="25",
            metavar="N",
            help="Have a model sum up what was learned every N candidates; 0 means never.  [default: 25]",
        ),
        Setting(
            key="replay",
            parse=str,
            default=None,
            metavar="RUN",
            help="Judge the programs of a recorded run of this archive again, on its own workloads.",
        ),
        Setting(
            key="selector",
            parse=_several(*SELECTOR_NAMES),
            default="adaptive",
            metavar="NAME",
            repeated=True,
            help="Who becomes a parent: " + ", ".join(SELECTOR_NAMES) + ". Several (repeat the option) compete by the "
            "bandit; 'best_of_n' is the baseline to beat.  [default: adaptive]",
        ),
        Setting(
            key="without",
            parse=_several(*PARTS),
            default=None,
            metavar="PART",
            repeated=True,
            help="Leave a part of the search out, to see what it is worth: " + ", ".join(PARTS) + ".",
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
            default=GENERATED,
            metavar="own|generated|FILE",
            help="What to measure on: the project's own traces, generated ones, or a trace file.  "
            f"[default: {DEFAULT_WORKLOAD}; problems without traces know generated alone]",
        ),
        Setting(
            key="device",
            parse=_choice(*DEVICES),
            default="auto",
            metavar="|".join(DEVICES),
            help="What kernels are judged on: a GPU where there is one, or the processor, which tells right from wrong "
            "and gives no score.  [default: auto]",
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


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean ...?"`` with the nearest known name, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
