"""What tokens cost: the list prices in ``prices.toml``, and a user's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from db.records import Usage
from evolve.config import ConfigError
from evolve.settings import did_you_mean

LIST = Path(__file__).with_name("prices.toml")

_DATED = re.compile(r"(.+?)-(?:\d{4}-\d{2}-\d{2}|\d{8})")
"""OpenAI dates the snapshots of a model ``-2025-08-07``, Anthropic ``-20251101``; both cost what the model costs."""

_NOTES = ("source", "read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens.

    Args:
        input: tokens read.
        output: tokens written, reasoning included.
        cached_input: tokens read from the provider's cache; as ``input`` where None.
        cache_write: tokens read and put into the provider's cache; as ``input`` where None.
        long_above_tokens: prompts longer than this are dearer, all of them; None where they are not.
        long_input_factor: how much dearer the input of a long prompt is, cached or not.
        long_output_factor: how much dearer the answer to a long prompt is.
    """

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    long_above_tokens: int | None = None
    long_input_factor: float = 1.0
    long_output_factor: float = 1.0

    def cost(self, usage: Usage, *, cache_write_tokens: int = 0) -> float:
        """US dollars for a call, rounded once, from the exact decimal value."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        written = min(cache_write_tokens, usage.prompt_tokens - cached)
        plain = usage.prompt_tokens - cached - written
        read = (
            plain * _exact(self.input)
            + cached * _exact(self.input if self.cached_input is None else self.cached_input)
            + written * _exact(self.input if self.cache_write is None else self.cache_write)
        )
        return self._sum(usage.prompt_tokens, read, usage.completion_tokens)

    def bound(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The most that so many tokens can cost, in US dollars, whatever is cached."""
        dearest = max(self.input, self.cached_input or 0.0, self.cache_write or 0.0)
        return self._sum(prompt_tokens, prompt_tokens * _exact(dearest), completion_tokens)

    def affords(self, cost: float, prompt_tokens: int) -> int | None:
        """Tokens that may be written for this much after such a prompt; None where they are free."""
        each = _exact(self.output) * (_exact(self.long_output_factor) if self._long(prompt_tokens) else 1)
        if each == 0:
            return None
        return max(0, int((_exact(cost) - _exact(self.bound(prompt_tokens, 0))) * 1_000_000 / each))

    def _long(self, prompt_tokens: int) -> bool:
        return self.long_above_tokens is not None and prompt_tokens > self.long_above_tokens

    def _sum(self, prompt_tokens: int, read: Decimal, completion_tokens: int) -> float:
        written = completion_tokens * _exact(self.output)
        if self._long(prompt_tokens):
            read, written = read * _exact(self.long_input_factor), written * _exact(self.long_output_factor)
        return float((read + written) / 1_000_000)


def price_of(name: str, own: Mapping[str, Price] | None = None) -> Price | None:
    """Price of a model by its exact name or that of a dated snapshot; ``own`` prices go first. None if unknown."""
    dated = _DATED.fullmatch(name)
    for table in (own or {}, read_prices(LIST)):
        for wanted in (name, *([dated.group(1)] if dated else [])):
            if wanted in table:
                return table[wanted]
    return None


def read_prices(file: Path) -> dict[str, Price]:
    """Prices by model from a TOML file with one table for each: ``["NAME"]``, ``input = 1.25``, ``output = 10.0``.

    Raises:
        ConfigError: the file cannot be read, or something in it is not a price.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}\nhint: check the name of the price file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}\nhint: mend the file") from error
    return {name: parse_price(table, f"{file}, {name}") for name, table in document.items()}


def parse_price(table: object, where: str) -> Price:
    """A price from a TOML table.

    Raises:
        ConfigError: it is none.
    """
    hint = "hint: write input = 1.25 and output = 10.0, US dollars for a million tokens"
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: a price is a table\n{hint}")
    known = [item.name for item in fields(Price)]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key in _NOTES:
            continue
        if key not in known:
            raise ConfigError(
                f"{where}: unknown key {key!r}{did_you_mean(key, known)}\nhint: known are {', '.join(known)}"
            )
        whole = key == "long_above_tokens"
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not 0 <= value < 1e9:
            raise ConfigError(f"{where}: {key} cannot be {value!r}\n{hint}")
        values[key] = value if whole else float(value)
    missing = [key for key in ("input", "output") if key not in values]
    if missing:
        raise ConfigError(f"{where}: {' and '.join(missing)} missing\n{hint}")
    return Price(**values)


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))
