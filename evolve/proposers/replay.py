"""``replay``: the programs of a recorded run, in their order, judged again; offline and deterministic."""

from __future__ import annotations

from typing import Any

from db.archive import Archive
from db.records import RunRecord
from evaluators.problem import Problem
from evaluators.program import normalised_digest
from evolve.config import ConfigError
from evolve.desk import InlineDesk
from evolve.proposal import Context, Proposal, ProposalError, Selection
from reports.leaderboard import seed_standings

COPIED = ("seed", "workload", "selector", "without", "block_size", "clock")
"""Settings that a replay takes from the recorded run."""


class ReplayDesk(InlineDesk):
    """Hands out what was proposed in a recorded run, whatever the search selects.

    Args:
        archive: holds both runs.
        run: the new run.
        recorded: the run whose programs are judged again.
    """

    def __init__(self, archive: Archive, run: RunRecord, recorded: RunRecord) -> None:
        self._source = Recorded(archive, run, recorded)
        super().__init__(self._source)

    @property
    def finished(self) -> str:
        """Set when every program was handed out."""
        return "" if self.under_way else self._source.exhausted

    @property
    def wants(self) -> bool:
        """Whether a program is left."""
        return not self._source.exhausted


class Recorded:
    """The proposer behind a replay: each call gives the next recorded program."""

    name = "replay"

    def __init__(self, archive: Archive, run: RunRecord, recorded: RunRecord) -> None:
        self._archive = archive
        self._run = run
        self._recorded = recorded
        # Every run begins with the seeds by itself.
        self._next = max(archive.run_by_id(run.id).candidates, len(seed_standings(archive, recorded)))

    @property
    def exhausted(self) -> str:
        """Set when every program was handed out."""
        done = self._next >= self._recorded.candidates
        return f"all programs of run {self._recorded.name} were replayed" if done else ""

    def propose(self, selection: Selection, context: Context) -> Proposal:
        """The next program, under its own operator and author, with those of its parents that are here.

        Raises:
            ProposalError: there is none left.
        """
        del selection, context
        if self.exhausted:
            raise ProposalError(self.exhausted)
        old = self._archive.candidate(self._recorded.id, self._next)
        self._next += 1
        parents = (self._here(parent) for parent in old.parents)
        return Proposal(
            source=old.source,
            proposer=old.proposer,
            operator=old.operator,
            parents=tuple(parent for parent in parents if parent is not None),
            note=old.note,
        )

    def _here(self, parent: int) -> int | None:
        """The number that a recorded candidate has in this run; another one where some were refused."""
        return self._archive.has_digest(self._run.id, self._archive.candidate(self._recorded.id, parent).digest)


def check_replay(archive: Archive, settings: dict[str, Any], problem: Problem) -> None:
    """Take over the settings of the recorded run that make its replay one, in place.

    Raises:
        ConfigError: no run is named, or it cannot be replayed on this problem.
        ArchiveError: there is no run of that name.
    """
    if settings["replay"] is None:
        raise ConfigError("the proposer replay needs a recorded run\nhint: --replay RUN; evolve runs lists them")
    recorded = archive.run(settings["replay"])
    if recorded.problem != problem.declaration.name:
        raise ConfigError(
            f"run {recorded.name} is of problem {recorded.problem}, not {problem.declaration.name}\n"
            f"hint: evolve run {recorded.problem} --replay {recorded.name}"
        )
    digests = [normalised_digest(seed.source, entry=problem.declaration.entry) for seed in problem.seeds]
    if any(archive.has_digest(recorded.id, digest) is None for digest in digests):
        raise ConfigError(
            f"run {recorded.name} began from other seeds than {recorded.problem} has now\n"
            "hint: replay it with the release that recorded it"
        )
    for key in COPIED:
        if key in recorded.config:
            settings[key] = recorded.config[key]
