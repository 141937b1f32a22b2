"""Prices are those of a source, and a call's cost is exact."""

from __future__ import annotations

import datetime
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.records import Usage
from evolve.config import ConfigError
from evolve.proposers.llm.prices import LIST, Price, price_of, read_prices

COUNTS = st.integers(0, 2_000_000)


def test_every_price_of_the_list_names_its_source_and_day() -> None:
    tables = tomllib.loads(LIST.read_text())
    assert len(tables) > 5
    for name, table in tables.items():
        assert table["source"].startswith("https://"), name
        assert isinstance(table["read"], datetime.date), name
    for price in read_prices(LIST).values():
        assert 0 < price.input < price.output
        assert price.cached_input is not None
        assert price.cached_input <= price.input


def test_names_match_exactly_or_with_the_date_of_a_snapshot() -> None:
    nano = price_of("gpt-5-nano")
    assert nano == Price(input=0.05, cached_input=0.005, output=0.4)
    assert price_of("gpt-5-nano-2025-08-07") == nano
    assert price_of("claude-haiku-4-5-20251001") == price_of("claude-haiku-4-5")
    assert price_of("gpt-5-nano-turbo") is None
    assert price_of("gpt-5") is None
    assert price_of("llama3:8b") is None


def test_own_prices_add_and_go_first(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('["gpt-5-nano"]\ninput = 1\noutput = 2\n["org/new:7b"]\ninput = 0\noutput = 0\nsource = "mine"\n')
    own = read_prices(file)
    assert price_of("gpt-5-nano", own) == Price(input=1.0, output=2.0)
    assert price_of("org/new:7b", own) == Price(input=0.0, output=0.0)
    assert price_of("gpt-6-luna", own) == price_of("gpt-6-luna")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[m]\ninput = 1\n", "output missing"),
        ("[m]\ninput = 1\noutptu = 2\n", "did you mean 'output'"),
        ("[m]\ninput = -1\noutput = 2\n", "input cannot be -1"),
        ("[m]\ninput = nan\noutput = 2\n", "input cannot be nan"),
        ("[m]\ninput = true\noutput = 2\n", "input cannot be True"),
        ("m = 3\n", "a price is a table"),
        ("[m", "is not TOML"),
    ],
)
def test_what_is_no_price_is_refused_with_a_hint(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_prices(file)
    assert "\nhint: " in str(caught.value)


def test_a_missing_file_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_prices(tmp_path / "none.toml")


@given(prompt=COUNTS, cached=COUNTS, written=COUNTS, answer=COUNTS)
def test_cost_is_the_exact_sum_rounded_once_and_never_above_its_bound(
    prompt: int, cached: int, written: int, answer: int
) -> None:
    price = Price(
        input=0.1, cached_input=0.01, cache_write=0.125, output=0.7,
        long_above_tokens=272_000, long_input_factor=2.0, long_output_factor=1.5,
    )  # fmt: skip
    usage = Usage(prompt_tokens=prompt, completion_tokens=answer, cached_tokens=cached)
    read = min(cached, prompt)
    put = min(written, prompt - read)
    tenth = Fraction(1, 10)
    exact_input = (prompt - read - put) * tenth + read * tenth / 10 + put * tenth * 5 / 4
    exact_output = answer * tenth * 7
    if prompt > 272_000:
        exact_input, exact_output = exact_input * 2, exact_output * Fraction(3, 2)
    cost = price.cost(usage, cache_write_tokens=written)
    assert cost == float((exact_input + exact_output) / 1_000_000)
    assert cost <= price.bound(prompt, answer)


@given(cost=st.floats(0, 10), prompt=st.integers(0, 100_000))
def test_what_a_sum_affords_costs_no_more_than_it(cost: float, prompt: int) -> None:
    price = Price(input=1.1, output=3.3)
    tokens = price.affords(cost, prompt)
    assert tokens is not None
    if tokens:
        assert price.bound(prompt, tokens) <= cost
    assert price.bound(prompt, tokens + 1) > cost
    assert Price(input=0.0, output=0.0).affords(cost, prompt) is None
