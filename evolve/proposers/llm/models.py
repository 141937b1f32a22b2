"""Which models write programs, where they are served and what is asked of them."""

from __future__ import annotations

import ipaddress
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from evolve.config import KEY_VARIABLE, URL_VARIABLE, ConfigError
from evolve.proposers.llm.prices import Price, parse_price, price_of
from evolve.settings import did_you_mean

NO_KEY = "none"
"""Sent as the key to servers that ask for none: the client insists on one."""


_RESERVED = ("model", "messages", "stream", "stream_options", "n", "tools", "max_tokens", "max_completion_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model on a server that speaks the OpenAI protocol.

    Args:
        name: as the server knows it.
        base_url: where it is served; None for OpenAI itself.
        api_key: key of that server.
        weight: how often it is chosen, in proportion to the other models' weights.
        concurrency: most requests under way at the same time.
        max_tokens: longest answer, reasoning included.
        temperature: of sampling; None for the server's own.
        timeout_seconds: longest time from request to the end of the answer.
        stall_seconds: longest time without a sign of life once the answer has begun.
        context_tokens: prompt and answer together; None where not known.
        price: None where not known; its calls then count as tokens alone.
        extra: further fields of the request's body, such as ``{"top_k": 20}``.
    """

    name: str
    base_url: str | None
    api_key: str = field(repr=False)
    weight: float = 1.0
    concurrency: int = 8
    max_tokens: int = 8192
    temperature: float | None = None
    timeout_seconds: float = 300.0
    stall_seconds: float = 120.0
    context_tokens: int | None = None
    price: Price | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str | None, str]:
        """What tells it from the others: two servers may have models of one name."""
        return self.base_url, self.name

    @property
    def label(self) -> str:
        """The same for people: its name, and its server where that is not OpenAI itself."""
        return self.name if self.base_url is None else f"{self.name} at {urlsplit(self.base_url).netloc}"


def named_models(
    names: str,
    *,
    base_url: str | None,
    api_key: str,
    concurrency: int = 8,
    max_tokens: int = 8192,
    temperature: float | None = None,
    own_prices: Mapping[str, Price] | None = None,
) -> tuple[Model, ...]:
    """Models of one server, from a text such as ``"big=1,small:8b=3"``; names may hold ``:`` and ``/``.

    Raises:
        ConfigError: an empty or repeated name, or a weight that is none.
    """
    models: dict[str, Model] = {}
    for part in names.split(","):
        name, _, weight = (piece.strip() for piece in part.partition("="))
        if not name or name in models:
            problem = f"{name!r} twice" if name else "an empty name"
            raise ConfigError(f"--model {names}: {problem}\nhint: write --model NAME or NAME=WEIGHT,NAME=WEIGHT")
        models[name] = Model(
            name=name,
            base_url=base_url,
            api_key=api_key,
            weight=_weight(weight, names) if "=" in part else 1.0,
            concurrency=concurrency,
            max_tokens=max_tokens,
            temperature=temperature,
            price=_price(name, base_url, own_prices),
        )
    return tuple(models.values())


def read_models(
    file: Path, environ: Mapping[str, str], own_prices: Mapping[str, Price] | None = None
) -> tuple[Model, ...]:
    """Models from a TOML file with a ``[[model]]`` table for each.

    Keys are those of `Model`, and ``api_key_env`` or ``api_key_file`` for the key, which never stands in the file.
    Without ``base_url`` a table follows ``OPENAI_BASE_URL``, and without a key of its own ``OPENAI_API_KEY``; a server
    that the file names gets no key that the file does not name.

    Raises:
        ConfigError: the file cannot be read, or something in it cannot be; the message says where.
    """
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}\nhint: check --models-file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}\nhint: mend the file") from error
    tables = document.pop("model", [])
    if document or not isinstance(tables, list) or not tables:
        raise ConfigError(f"{file}: holds no [[model]] tables, or something else\nhint: {_EXAMPLE}")
    models = []
    for position, table in enumerate(tables, start=1):
        if not isinstance(table, dict):
            raise ConfigError(f"{file}: model {position} is no table\nhint: {_EXAMPLE}")
        models.append(_model(table, f"{file}, model {position}", environ, own_prices))
    named = [(model.base_url, model.name) for model in models]
    repeated = next((name for url, name in named if named.count((url, name)) > 1), None)
    if repeated is not None:
        raise ConfigError(f"{file}: {repeated!r} is there twice on one server\nhint: give it a larger weight instead")
    return tuple(models)


_EXAMPLE = 'write [[model]], name = "NAME", base_url = "http://127.0.0.1:8000/v1", api_key_env = "VARIABLE"'


def _model(
    table: Mapping[str, Any], where: str, environ: Mapping[str, str], own_prices: Mapping[str, Price] | None
) -> Model:
    table = dict(table)
    if isinstance(table.get("name"), str):
        where = f"{where} ({table['name']})"
    known = (*_PARSERS, "api_key_env", "api_key_file", "price")
    for key in table:
        if key in {"api_key", "key", "token"}:
            raise ConfigError(
                f"{where}: a key does not belong into the file\n"
                'hint: name a variable or a file that holds it: api_key_env = "VARIABLE" or api_key_file = "FILE"'
            )
        if key not in known:
            raise ConfigError(
                f"{where}: unknown key {key!r}{did_you_mean(key, known)}\nhint: known are {', '.join(known)}"
            )
    values = {key: _parsed(key, table[key], where) for key in _PARSERS if key in table}
    if "name" not in values:
        raise ConfigError(f"{where}: name missing\nhint: {_EXAMPLE}")
    own_server = "base_url" in values
    values.setdefault("base_url", environ.get(URL_VARIABLE) or None)
    values["api_key"] = _key(table, where, environ, must=values["base_url"] is None, own_server=own_server)
    if "price" in table:
        values["price"] = parse_price(table["price"], f"{where}, price")
    else:
        values["price"] = _price(values["name"], values["base_url"], own_prices)
    return Model(**values)


def _key(table: Mapping[str, Any], where: str, environ: Mapping[str, str], *, must: bool, own_server: bool) -> str:
    if "api_key_env" in table and "api_key_file" in table:
        raise ConfigError(f"{where}: api_key_env and api_key_file\nhint: keep one of them")
    if "api_key_file" in table:
        return read_key(Path(str(table["api_key_file"])).expanduser(), "api_key_file", f"{where}: ")
    variable = table.get("api_key_env") or ("" if own_server else KEY_VARIABLE)
    key = environ.get(str(variable), "").strip()
    if not key and (must or "api_key_env" in table):
        raise ConfigError(
            f"{where}: the environment has no {variable}\nhint: export {variable}=..., or name api_key_file"
        )
    return key or NO_KEY


def read_key(path: Path, setting: str, where: str = "") -> str:
    """The key in a file that a setting names; ``where`` begins an error's text.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}cannot read the key in {path}\nhint: check {setting}") from error
    if not key or re.search(r"\s", key):
        raise ConfigError(f"{where}{path} holds no key\nhint: it must hold the key and nothing else")
    return key


def _price(name: str, base_url: str | None, own_prices: Mapping[str, Price] | None) -> Price | None:
    """The user's price or the list's; a server on this machine or network does not bill by the vendor's list."""
    if own_prices and name in own_prices:
        return own_prices[name]
    return None if _is_local(base_url) else price_of(name, own_prices)


def _is_local(base_url: str | None) -> bool:
    host = urlsplit(base_url).hostname if base_url else None
    if host is None:
        return False
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost", ".internal"))
    return address.is_loopback or address.is_private


def _weight(text: str, names: str) -> float:
    try:
        return _number(0.0)(float(text))
    except ValueError as error:
        raise ConfigError(
            f"--model {names}: {text!r} is no weight above 0\nhint: write --model NAME=2,OTHER=1"
        ) from error


def _parsed(key: str, value: object, where: str) -> Any:
    try:
        return _PARSERS[key](value)
    except ValueError as error:
        raise ConfigError(f"{where}: {key} = {value!r}: {error}\nhint: {_EXAMPLE}") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value.strip()


def _url(value: object) -> str:
    text = _text(value)
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an address that begins with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password")
    return text.rstrip("/")


def _whole(low: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise ValueError(f"must be a whole number of at least {low}")
        return value

    return parse


def _number(low: float, *, or_equal: bool = False) -> Callable[[object], float]:
    def parse(value: object) -> float:
        fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not fits or not isinstance(value, int | float) or not (value > low or (or_equal and value == low)):
            raise ValueError(f"must be a number {'of at least' if or_equal else 'above'} {low:g}")
        return float(value)

    return parse


def _extra(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a table")
    ours = next((key for key in _RESERVED if key in value), None)
    if ours is not None:
        raise ValueError(f"{ours!r} is set by the search itself")
    return value


_PARSERS: dict[str, Callable[[object], Any]] = {
    "name": _text,
    "base_url": _url,
    "weight": _number(0.0),
    "concurrency": _whole(1),
    "max_tokens": _whole(64),
    "temperature": _number(0.0, or_equal=True),
    "timeout_seconds": _number(0.0),
    "stall_seconds": _number(0.0),
    "context_tokens": _whole(256),
    "extra": _extra,
}
