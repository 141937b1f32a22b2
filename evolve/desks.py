"""Which desk a run's settings call for, and what must be settled about it when the run is created."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from db.archive import Archive
from db.records import RunRecord
from evaluators.problem import Problem
from evolve import drafting
from evolve.config import ConfigError, environment, left_out
from evolve.desk import Desk
from evolve.evolution import Evolution
from evolve.proposers.operators import Operators
from evolve.proposers.replay import ReplayDesk, check_replay
from evolve.proposers.tuner.tuner import Tuner
from evolve.workbench import OFFLINE_SHARE, SharedDesk, Workbench

ATTEMPTS: Mapping[str, int | None] = MappingProxyType(
    {"operators": drafting.ATTEMPTS, "llm": 4 * drafting.ATTEMPTS, "external": None, "replay": None}
)
"""How many programs in a row each proposer may offer in vain before a search ends early; None for any number."""


def prepare(archive: Archive, settings: dict[str, Any], problem: Problem) -> None:
    """Settle what a run's proposer needs to know for good, in place: a model's name, a replayed run's settings.

    Raises:
        ConfigError: a setting is missing, or does not go with another.
        ArchiveError: there is no run of the name to replay.
    """
    if settings["proposer"] == "replay":
        check_replay(archive, settings, problem)
    elif settings["replay"] is not None:
        raise ConfigError(
            f"--replay {settings['replay']} goes with the proposer replay, not {settings['proposer']}\n"
            "hint: leave --proposer away"
        )
    elif settings["proposer"] == "llm":
        # Imported here and below: the client takes most of a second, which other runs must not pay.
        from evolve.proposers.llm.setup import prepare_models  # noqa: PLC0415

        prepare_models(settings, environment())


def make_desk(
    settings: Mapping[str, Any],
    archive: Archive,
    run: RunRecord,
    evolution: Evolution,
    tuner: Tuner | None,
    say: Callable[[str], None],
) -> Desk:
    """The desk of a run; ``say`` tells a person what goes wrong there.

    Raises:
        ConfigError: a key or a file is missing, or programs come from outside.
    """
    operators = None if "operators" in left_out(settings) else Operators()
    if settings["proposer"] == "operators":
        if operators is None:
            raise ConfigError("--without operators leaves nobody to write candidates\nhint: leave it away, or --model")
        return Workbench(operators, tuner)
    if settings["proposer"] == "replay":
        return ReplayDesk(archive, run, archive.run(settings["replay"]))
    if settings["proposer"] == "llm":
        from evolve.proposers.llm.setup import open_llm_desk  # noqa: PLC0415

        bench = Workbench(operators, tuner, share=OFFLINE_SHARE) if operators or tuner else None
        share = 1 - OFFLINE_SHARE if bench else 1.0
        models = open_llm_desk(settings, environment(), archive, run, evolution, say, share)
        return SharedDesk(models, bench) if bench else models
    raise ConfigError(
        f"the programs of run {run.name} come from outside\nhint: evolve serve --run {run.name}, or evolve ask and tell"
    )
