"""Puts the desk of language models together from a run's settings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from db.archive import Archive
from db.records import CallResult, NewCall, RunRecord
from evolve.config import KEY_VARIABLE, LIMITS, ConfigError
from evolve.evolution import Evolution
from evolve.proposers.llm.agent import Agent, ArchiveLibrary
from evolve.proposers.llm.chat import Chat, list_models
from evolve.proposers.llm.desk import LlmDesk, Memory
from evolve.proposers.llm.errors import ProviderError
from evolve.proposers.llm.models import NO_KEY, Model, named_models, read_key, read_models
from evolve.proposers.llm.prices import Price, read_prices
from evolve.proposers.llm.scrub import Scrubber
from evolve.proposers.llm.trials import Trials
from evolve.proposers.llm.writer import Author, Writer
from evolve.settings import DEFAULT_COST
from evolve.spending import Allowance, Purse

PREFERRED = ("gpt-6.2-sol", "gpt-6-sol", "gpt-6-luna", "gpt-5.6-luna")
"""Models to use where a server has several and none was named, the first of these that it has."""

LISTED = 8
"""How many of a server's models an error names."""


class ArchiveLedger:
    """Writes calls into a run of the archive; implements `evolve.proposers.llm.ledger.Ledger`."""

    def __init__(self, archive: Archive, run_id: int) -> None:
        self._archive = archive
        self._run_id = run_id
        self._lock = threading.Lock()
        self._tickets: dict[int, int] = {}
        self._spent: dict[int, tuple[int, float]] = {}

    def begin(self, call: NewCall) -> int:
        """See `Archive.begin_call`."""
        call_id = self._archive.begin_call(self._run_id, call)
        if call.ticket is not None:
            with self._lock:
                self._tickets[call_id] = call.ticket
        return call_id

    def finish(self, call_id: int, result: CallResult) -> None:
        """See `Archive.finish_call`."""
        with self._lock:
            ticket = self._tickets.pop(call_id, None)
            if ticket is not None:
                tokens, cost = self._spent.get(ticket, (0, 0.0))
                self._spent[ticket] = (tokens + result.usage.tokens, cost + (result.cost or 0.0))
        self._archive.finish_call(call_id, result)

    def take_spent(self, ticket: int) -> tuple[int, float]:
        """Tokens and US dollars that the calls of a ticket have been charged with; it is forgotten then."""
        with self._lock:
            return self._spent.pop(ticket, (0, 0.0))


def prepare_models(settings: dict[str, Any], environ: Mapping[str, str]) -> tuple[Model, ...]:
    """Settle which models a new run uses and, where no limit is given, what it may cost; in place.

    Raises:
        ConfigError: a key, a file or a model's name is missing, or a cap is given in a currency that nobody can count.
    """
    for key in ("models_file", "prices_file", "api_key_file"):
        if settings[key] is not None:
            settings[key] = str(Path(settings[key]).expanduser().resolve())
    if settings["model"] is None and settings["models_file"] is None:
        settings["model"] = _offered(settings["base_url"], server_key(settings, environ))
    models = models_of(settings, environ)
    if all(settings[key] is None for key in LIMITS) and all(model.price is not None for model in models):
        settings["cost"] = DEFAULT_COST
    return models


def models_of(settings: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Model, ...]:
    """The models of a run.

    Raises:
        ConfigError: a key or a file is missing, something in a file cannot be, or nobody can count a cap's currency.
    """
    prices = _prices(settings)
    if settings["models_file"] is not None:
        _refuse_beside_a_file(settings)
        models = read_models(Path(settings["models_file"]), environ, prices)
    else:
        models = _named(settings, environ, prices)
    unpriced = [model.name for model in models if model.price is None]
    if settings["cost"] is not None and unpriced:
        raise ConfigError(
            f"--cost {settings['cost']:.2f}: nobody told what {', '.join(unpriced)} costs, so no cap can be kept\n"
            "hint: give --tokens instead, or a price by --prices-file (docs/proposers.md)"
        )
    return models


def _refuse_beside_a_file(settings: Mapping[str, Any]) -> None:
    for key in ("model", "base_url", "api_key_file"):
        if settings[key] is not None:
            raise ConfigError(
                f"{key} = {settings[key]} goes nowhere beside models_file, whose tables name models and addresses\n"
                f"hint: leave one of the two out, {key} or models_file"
            )


def _named(
    settings: Mapping[str, Any], environ: Mapping[str, str], prices: Mapping[str, Price] | None
) -> tuple[Model, ...]:
    return named_models(
        settings["model"],
        base_url=settings["base_url"],
        api_key=server_key(settings, environ),
        concurrency=settings["concurrency"],
        max_tokens=settings["max_tokens"],
        temperature=settings["temperature"],
        own_prices=prices,
    )


def open_llm_desk(
    settings: Mapping[str, Any],
    environ: Mapping[str, str],
    archive: Archive,
    run: RunRecord,
    evolution: Evolution,
    say: Callable[[str], None],
    share: float = 1.0,
) -> LlmDesk:
    """The desk of a run, with what earlier sittings spent counted; ``say`` tells a person what goes wrong.

    ``share`` is the weight of all that models may be asked, relative to what else writes programs.

    Raises:
        ConfigError: a key or a file is missing, or something in a file cannot be.
    """
    models = models_of(settings, environ)
    now = archive.run_by_id(run.id)
    ledger = ArchiveLedger(archive, run.id)
    chat = Chat(
        purse=Purse(
            Allowance(tokens=settings["tokens"], cost=settings["cost"]), spent_tokens=now.tokens, spent_cost=now.cost
        ),
        ledger=ledger,
        scrubber=Scrubber(_secrets(models, environ, archive.secret(run.id))),
        rng=Random(f"{settings['seed']}:{now.calls}:delays"),
    )
    trials = Trials()
    author: Author = Writer(chat)
    if settings["agentic"]:
        author = Agent(chat, library=ArchiveLibrary(archive, run.id), trials=trials)
    return LlmDesk(
        chat,
        author,
        models=models,
        trials=trials,
        memory=Memory(
            next_ticket=lambda: archive.next_ticket(run.id),
            brief=evolution.brief,
            attempts=lambda: evolution.latest_attempts,
            say=say,
            spent=ledger.take_spent,
            broken=evolution.broken,
        ),
        insights_every=settings["insights_every"],
        share=share,
    )


def _prices(settings: Mapping[str, Any]) -> Mapping[str, Price] | None:
    return read_prices(Path(settings["prices_file"])) if settings["prices_file"] is not None else None


def server_key(settings: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The key of the one server that the settings name.

    Raises:
        ConfigError: the file cannot be read, or OpenAI itself is meant and there is no key.
    """
    if settings["api_key_file"] is not None:
        return read_key(Path(settings["api_key_file"]), "--api-key-file")
    key = environ.get(KEY_VARIABLE, "").strip()
    if not key and settings["base_url"] is None:
        raise ConfigError(
            f"models at OpenAI need a key\nhint: export {KEY_VARIABLE}=..., give --api-key-file FILE, or name another "
            "server by --base-url; --proposer operators needs none of that"
        )
    return key or NO_KEY


def _offered(base_url: str | None, key: str) -> str:
    """The model to use where none is named: the only one there is, or the first of those we would recommend.

    Raises:
        ConfigError: the server cannot be asked, or it has several and none that we know.
    """
    try:
        names = asyncio.run(list_models(base_url, key))
    except ProviderError as error:
        raise ConfigError(str(error)) from error
    wanted = next((name for name in PREFERRED if name in names), None)
    if len(names) == 1 or wanted:
        return wanted or names[0]
    some = ", ".join(sorted(names)[:LISTED]) + (" ..." if len(names) > LISTED else "")
    raise ConfigError(f"which model?\nhint: --model NAME; {base_url or 'OpenAI'} has {some or 'none'}")


def _secrets(models: tuple[Model, ...], environ: Mapping[str, str], secret: bytes) -> list[str]:
    """What must not be in a prompt, an answer or an error: keys, and the secret that the workloads follow from."""
    keys = [model.api_key for model in models if model.api_key != NO_KEY]
    named = [value for name, value in environ.items() if name.endswith(("_API_KEY", "_TOKEN", "_SECRET", "_PASSWORD"))]
    return [*keys, *(value for value in named if len(value) >= 8), secret.hex()]


__all__ = ["ArchiveLedger", "models_of", "open_llm_desk", "prepare_models", "server_key"]
