"""Models come from a flag or a file; keys never stand in either."""

from __future__ import annotations

from pathlib import Path

import pytest

from evolve.config import ConfigError
from evolve.proposers.llm.models import NO_KEY, Model, named_models, read_models
from evolve.proposers.llm.prices import Price

HOSTED = "https://api.example.com/v1"
LOCAL = "http://127.0.0.1:8000/v1"


def read(tmp_path: Path, text: str, **environ: str) -> tuple[Model, ...]:
    file = tmp_path / "models.toml"
    file.write_text(text)
    return read_models(file, environ)


def test_names_with_weights_and_colons_and_slashes() -> None:
    models = named_models("org/big=1, qwen3:8b=2.5,plain", base_url=LOCAL, api_key="k" * 20, concurrency=3)
    assert [(model.name, model.weight) for model in models] == [("org/big", 1.0), ("qwen3:8b", 2.5), ("plain", 1.0)]
    assert {model.concurrency for model in models} == {3}
    assert "kkk" not in repr(models)


@pytest.mark.parametrize("names", ["", "a,,b", "a=0", "a=-1", "a=x", "a=", "a=nan", "a=inf", "a,a"])
def test_what_is_no_list_of_names_is_refused(names: str) -> None:
    with pytest.raises(ConfigError, match="--model") as caught:
        named_models(names, base_url=None, api_key="key")
    assert "\nhint: " in str(caught.value)


def test_prices_come_from_the_list_except_for_servers_on_this_network() -> None:
    def price(base_url: str | None, own: dict[str, Price] | None = None) -> Price | None:
        return named_models("gpt-5-nano", base_url=base_url, api_key="key", own_prices=own)[0].price

    assert price(None) is not None
    assert price(HOSTED) is not None
    local = [
        "http://127.0.0.1:1/v1",
        "http://localhost:1/v1",
        "http://192.168.1.2/v1",
        "http://[::1]:1/v1",
        "http://box/v1",
    ]
    assert [price(url) for url in local] == [None] * 5
    own = {"gpt-5-nano": Price(input=1.0, output=2.0)}
    assert price(LOCAL, own) == own["gpt-5-nano"]


def test_a_file_says_all_of_a_model(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret-from-file\n")
    text = f"""
[[model]]
name = "big"
base_url = "{HOSTED}/"
api_key_env = "BIG_KEY"
weight = 2
concurrency = 4
max_tokens = 4096
temperature = 0.7
timeout_seconds = 60
stall_seconds = 20
context_tokens = 32768
extra = {{ top_k = 20, chat_template_kwargs = {{ enable_thinking = false }} }}
price = {{ input = 1.0, output = 2.0 }}

[[model]]
name = "small"
base_url = "{LOCAL}"

[[model]]
name = "third"
api_key_file = "{tmp_path / "key"}"
"""
    big, small, third = read(tmp_path, text, BIG_KEY="secret-from-env", OPENAI_API_KEY="mine")
    assert big == Model(
        name="big", base_url=HOSTED, api_key="secret-from-env", weight=2.0, concurrency=4, max_tokens=4096,
        temperature=0.7, timeout_seconds=60.0, stall_seconds=20.0, context_tokens=32768,
        extra={"top_k": 20, "chat_template_kwargs": {"enable_thinking": False}}, price=Price(input=1.0, output=2.0),
    )  # fmt: skip
    assert small.api_key == NO_KEY, "a server named in the file must not be given the key of another"
    assert (third.base_url, third.api_key) == (None, "secret-from-file")


def test_without_a_url_the_environment_decides(tmp_path: Path) -> None:
    text = '[[model]]\nname = "a"\n'
    (model,) = read(tmp_path, text, OPENAI_API_KEY="mine", OPENAI_BASE_URL=LOCAL)
    assert (model.base_url, model.api_key) == (LOCAL, "mine")
    assert read(tmp_path, text, OPENAI_BASE_URL=LOCAL)[0].api_key == NO_KEY
    with pytest.raises(ConfigError, match="no OPENAI_API_KEY"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"holds no \[\[model\]\] tables"),
        ("[model]\nname = 'a'", r"holds no \[\[model\]\] tables"),
        ("other = 1\n[[model]]\nname = 'a'", "or something else"),
        ("[[model]]\nbase_url = 'http://h/v1'", "name missing"),
        ("[[model]]\nname = 'a'\nbase_url = 'http://h/v1'\nwieght = 2", "did you mean 'weight'"),
        ("[[model]]\nname = 'a'\nbase_url = 'h/v1'", "http"),
        ("[[model]]\nname = 'a'\nbase_url = 'http://me:pw@h/v1'", "user or password"),
        ("[[model]]\nname = 'a'\nbase_url = 'http://h/v1'\nweight = 0", "above 0"),
        ("[[model]]\nname = 'a'\nbase_url = 'http://h/v1'\nconcurrency = 0", "at least 1"),
        ("[[model]]\nname = 'a'\nbase_url = 'http://h/v1'\nmax_tokens = 1.5", "whole number"),
        ("[[model]]\nname = 'a'\nbase_url = 'http://h/v1'\nextra = { n = 4 }", "set by the search itself"),
        ("[[model]]\nname = 'a'\nbase_url = 'http://h/v1'\napi_key_env = 'NOT_SET'", "no NOT_SET"),
        ("[[model]]\nname = 'a'\nbase_url = 'http://h/v1'\napi_key_file = '/no/such/file'", "cannot read the key"),
        ("[[model]]\nname = 'a'\nbase_url = 'http://h/v1'\n[[model]]\nname = 'a'\nbase_url = 'http://h/v1'", "twice"),
        ("[[model", "is not TOML"),
    ],
)
def test_mistakes_in_a_file_are_named_with_a_hint(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        read(tmp_path, text)
    assert "models.toml" in str(caught.value)
    assert "\nhint: " in str(caught.value)


@pytest.mark.parametrize("key", ["api_key", "key", "token"])
def test_a_key_in_the_file_is_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError, match="api_key_env") as caught:
        read(tmp_path, f"[[model]]\nname = 'a'\n{key} = 'sk-very-secret-1'\n")
    assert "very-secret" not in str(caught.value)
