"""The search as a pure state machine: it says what to evaluate and what to write next, and takes programs and verdicts.

Its state is a function of what it was told and in which order, so a resumed run rebuilds it from the archive.
Every random choice derives from the run's seed and the candidate's number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from db.records import NewCandidate, Note, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split
from evaluators.problem import Problem
from evaluators.program import ProgramError, normalised_digest
from evolve import ranking
from evolve.brief import Attempt, Brief
from evolve.briefing import make_brief
from evolve.chronicle import Chronicle
from evolve.desk import Draft, Written
from evolve.drafting import ATTEMPTS, Discarded, Drafting, Refusal, SearchExhaustedError
from evolve.memory import Record
from evolve.proposal import Material, Selection
from evolve.selectors.protocol import Member, Selector
from evolve.title import SEEDS_BLOCK, Title

CARRIED = 4
"""How many leaders are measured again when a new block begins, so that estimates rest on more workloads."""

CONFIRMED_KEPT = 24
"""How many candidates that were measured on validation stay in mind as possible finalists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What to do next: evaluate ``planned``; ``candidate`` is set when it is new and must be registered."""

    planned: Planned
    candidate: NewCandidate | None = None


class Evolution:
    """Decides what to evaluate and what to write next.

    `ask` says what to evaluate: the seeds, then what the verdicts call for. When it has nothing, `draft` says what to
    write; whoever writes it hands the program to `accept`, which says to evaluate it or why not. `tell` takes verdicts.

    Args:
        problem: what is improved.
        selector: chooses parents.
        seed: the run's seed for search choices.
        known: number of the candidate that has a normalised digest, if one has; may be asked from any thread.
        block_size: how many candidates meet the same train workloads.
        attempts: how many programs in a row may be refused before the search gives up for now; None for any number.
    """

    def __init__(
        self,
        problem: Problem,
        selector: Selector,
        *,
        seed: int,
        known: Callable[[str], int | None],
        block_size: int = 200,
        attempts: int | None = ATTEMPTS,
    ) -> None:
        self._problem = problem
        self._selector = selector
        self._block_size = block_size
        self._next_number = 0
        self._pending: deque[Planned] = deque()
        self._followed: set[Planned] = set()
        self._noted_ahead: set[int] = set()
        self._records: dict[int, Record] = {}
        self._materials: dict[int, Material] = {}
        self._drafting = Drafting(
            problem, selector, seed=seed, known=known, materials=self._materials, attempts=attempts
        )
        self._chronicle = Chronicle()
        self._title = Title(self._records)
        self._failed: set[int] = set()
        self._on_trial: set[int] = set()
        self._yardstick: Record | None = None
        self._block = 0
        self._told = 0
        self._told_block = 0

    @property
    def best(self) -> int | None:
        """Number of the candidate called best: the last challenger to win its duel, at first the best seed."""
        return self._title.best

    def ask(self) -> Ask | None:
        """What to evaluate next; None while that takes a new program or more verdicts.

        Raises:
            SearchExhaustedError: a seed is not a program.
        """
        if self._next_number < len(self._problem.seeds):
            return self._register_seed(self._next_number)
        return Ask(planned=self._pending.popleft()) if self._pending else None

    def draft(self) -> Draft | None:
        """What to write next; None while nothing can be decided before more verdicts are told.

        Raises:
            SearchExhaustedError: too many programs in a row were refused.
        """
        if self._next_number < len(self._problem.seeds):
            return None
        return self._drafting.draft(self._next_number)

    def accept(self, written: Written) -> Ask | Refusal:
        """Take what came of a draft, whenever that was made: evaluate it, or why not."""
        verdict = self._drafting.look_at(written.proposal, written.reason)
        if isinstance(verdict, Refusal):
            return verdict
        proposal = written.proposal
        assert proposal is not None
        return self._plan_new(
            NewCandidate(
                number=self._next_number,
                source=proposal.source,
                digest=verdict,
                proposer=proposal.proposer,
                operator=proposal.operator,
                parents=proposal.parents,
                note=proposal.note,
                ticket=written.ticket,
            )
        )

    def take_discarded(self) -> Discarded:
        """How many programs were refused since this was last asked."""
        return self._drafting.take_discarded()

    def note(self, note: Note) -> None:
        """Learn of a note that later prompts should know."""
        self._chronicle.note(note)

    @property
    def latest_attempts(self) -> tuple[Attempt, ...]:
        """What was tried last, over all lines, newest last."""
        return self._chronicle.latest

    def brief(self, selection: Selection) -> Brief:
        """What whoever writes the next program from this selection is told."""
        return make_brief(
            self._problem,
            selection,
            records=self._records,
            yardstick=self._yardstick,
            best=self.best,
            chronicle=self._chronicle,
        )

    def rival(self, candidate: NewCandidate, planned: Planned) -> tuple[float, ...] | None:
        """Shares that a new candidate must not fall behind: its parent's on the same block, if measured."""
        if planned.purpose is not Purpose.SEARCH or not candidate.parents:
            return None
        parent = self._records.get(candidate.parents[0])
        measured = parent.train.get(planned.block) if parent else None
        return measured.shares if measured else None

    def tell(self, candidate: NewCandidate, planned: Planned, evaluation: Evaluation) -> None:
        """Take the verdict on what was asked; in a replay, also on what was asked by an earlier sitting."""
        self.restore(candidate, planned)
        if planned.purpose is Purpose.FINAL:
            return
        self._told += 1
        self._drafting.reconsider()
        self._chronicle.tell(candidate, planned, evaluation, self._parent_score(candidate, planned))
        if evaluation.outcome is not Outcome.OK:
            self._disqualify(candidate.number, planned.purpose)
        elif candidate.number not in self._failed:
            record = self._records.get(candidate.number) or self._remember(candidate)
            record.add(evaluation)
            if planned.split is Split.TRAIN:
                self._tell_train(record, planned.block)
            else:
                self._tell_validation(record, planned.block)
        self._follow_up()
        self._chronicle.crown(self.best)
        self._prune()

    def restore(self, candidate: NewCandidate, planned: Planned) -> None:
        """Note that this evaluation was planned (by this sitting or an earlier one); does nothing twice."""
        if planned.purpose is not Purpose.SEARCH:
            self._followed.add(planned)
            self._title.note(planned)
            if planned in self._pending:
                self._pending.remove(planned)
        elif candidate.number >= self._next_number and candidate.number not in self._noted_ahead:
            self._note_new(candidate, planned)

    def finalists(self, count: int) -> list[int]:
        """The best so far, then the others by merit, those measured on validation first; no seeds."""
        return ranking.finalists(self._records, self.best, count)

    def best_seeds(self, count: int) -> list[int]:
        """Numbers of the unmodified starting programs with the highest train scores, best first."""
        return ranking.best_seeds(self._records, count)

    # -- asking ------------------------------------------------------------------------------------

    def _register_seed(self, number: int) -> Ask:
        seed = self._problem.seeds[number]
        try:
            digest = normalised_digest(seed.source, entry=self._problem.declaration.entry)
        except ProgramError as error:
            raise SearchExhaustedError(f"seed {seed.name} is not a program: {error}") from error
        candidate = NewCandidate(
            number=number,
            source=seed.source,
            digest=digest,
            proposer="seed",
            operator=seed.name,
            note=seed.summary,
        )
        return self._plan_new(candidate)

    def _plan_new(self, candidate: NewCandidate) -> Ask:
        number = candidate.number
        block = 0 if candidate.proposer == "seed" else number // self._block_size
        planned = Planned(number=number, purpose=Purpose.SEARCH, split=Split.TRAIN, block=block)
        self._note_new(candidate, planned)
        return Ask(candidate=candidate, planned=planned)

    def _note_new(self, candidate: NewCandidate, planned: Planned) -> None:
        """Everything that follows from a candidate's registration, in a live run and in a replay alike."""
        # Several workers finish in another order than they began, and a replay learns of candidates as they finished.
        self._noted_ahead.add(candidate.number)
        while self._next_number in self._noted_ahead:
            self._noted_ahead.remove(self._next_number)
            self._next_number += 1
        if candidate.proposer == "seed":
            self._materials[candidate.number] = _material(candidate)
        elif candidate.parents:
            self._selector.bred(candidate.parents[0])
        if planned.block > self._block:
            self._block = planned.block
            for leader in self._selector.leaders(CARRIED):
                self._follow(Planned(number=leader, purpose=Purpose.CARRY, split=Split.TRAIN, block=planned.block))

    def _follow(self, planned: Planned) -> None:
        """Ask for a further evaluation of a known candidate, once."""
        if planned not in self._followed:
            self._followed.add(planned)
            self._pending.append(planned)

    # -- telling -----------------------------------------------------------------------------------

    def _parent_score(self, candidate: NewCandidate, planned: Planned) -> float | None:
        """Score of a candidate's parent on the same train block, if both are known."""
        parent = self._records.get(candidate.parents[0]) if candidate.parents else None
        measured = parent.train.get(planned.block) if parent and planned.split is Split.TRAIN else None
        return measured.score if measured else None

    def _remember(self, candidate: NewCandidate) -> Record:
        record = Record(candidate=candidate)
        parent = self._records.get(candidate.parents[0]) if candidate.parents else None
        record.yardstick = self._yardstick
        if parent:
            record.inherit(parent)
        self._records[candidate.number] = record
        return record

    def _tell_train(self, record: Record, block: int) -> None:
        self._told_block = max(self._told_block, block)
        self._materials[record.number] = _material(record.candidate)
        self._tell_selector(record)
        if record is self._yardstick:  # those who met this block before it have a lead only now
            for other in self._records.values():
                self._tell_selector(other)
        self._title.consider(record.number)

    def _tell_validation(self, record: Record, block: int) -> None:
        self._on_trial.discard(record.number)
        self._tell_selector(record)
        for other in self._records.values():
            if other.learn_from(record):
                self._tell_selector(other)
        self._title.consider(record.number)
        self._title.settle(block)

    def _tell_selector(self, record: Record) -> None:
        pooled = record.estimate(Split.TRAIN)
        if pooled is None or record.merit == float("-inf"):
            return
        metrics = record.train[max(record.train)].metrics
        self._selector.tell(
            Member(
                number=record.number,
                mean=pooled.mean,
                low=record.merit,
                cell=tuple(
                    bisect_right(descriptor.edges, metrics[descriptor.metric])
                    for descriptor in self._problem.declaration.descriptors
                ),
                is_seed=record.is_seed,
            )
        )

    def _follow_up(self) -> None:
        """Ask for what the verdicts so far call for: the seeds' validation, a duel, the champion on a new block."""
        best = self.best
        if best is None:
            self._crown_a_seed()
            return
        for record in (self._records[best], self._yardstick):
            if record is not None and record.number in self._records and self._told_block not in record.train:
                self._follow(
                    Planned(number=record.number, purpose=Purpose.CARRY, split=Split.TRAIN, block=self._told_block)
                )
        self._try_leader()
        duel = self._title.next_duel(self._told)
        for planned in duel.planned if duel else ():
            self._follow(planned)

    def _try_leader(self) -> None:
        """Measure whoever would lead on the validation block that the seeds have met, before it fathers the search.

        A program that fits the train machines alone shows it there, and its children inherit that. The block is used
        again and again, so what it says counts for the ranking of parents only; titles are won on unused ones.
        """
        leader = ranking.untried_leader(self._records)
        if leader is not None and leader.number not in self._on_trial:
            self._on_trial.add(leader.number)
            self._follow(_trial(leader))

    def _crown_a_seed(self) -> None:
        """Measure every seed on validation; the one of the highest merit is the first to be called best.

        All of them, because their way from train to validation is what their children are ranked by at first.
        """
        seeds = [record for record in self._records.values() if record.is_seed]
        failed = sum(number < len(self._problem.seeds) for number in self._failed)
        if len(seeds) + failed < len(self._problem.seeds):
            return
        for seed in seeds:
            self._follow(_trial(seed))
        if seeds and all(seed.validation for seed in seeds):
            self._choose_yardstick(seeds)
            self._title.crown(max(seeds, key=lambda seed: (seed.merit, -seed.number)).number)

    def _choose_yardstick(self, seeds: Sequence[Record]) -> None:
        """Compare everybody with the best of these from now on."""
        self._yardstick = max(seeds, key=lambda seed: (seed.merit, -seed.number), default=None)
        ranking.measure_all_by(self._yardstick, self._records)
        for record in self._records.values():
            self._tell_selector(record)

    # -- forgetting --------------------------------------------------------------------------------

    def _disqualify(self, number: int, purpose: Purpose) -> None:
        """A candidate that failed anywhere keeps no score: it is no parent, no finalist and not the best."""
        if purpose is not Purpose.SEARCH:
            # Another evaluation of it may be under way, and must not bring it back.
            self._failed.add(number)
        record = self._records.pop(number, None)
        if record is None:
            return
        if record is self._yardstick:
            self._choose_yardstick([seed for seed in self._records.values() if seed.is_seed and seed.validation])
        self._on_trial.discard(number)
        self._selector.drop(number)
        self._materials.pop(number, None)
        self._title.drop(number)

    def _prune(self) -> None:
        """Keep memory bounded: the selector's members, those measured on validation and the seeds stay in mind."""
        kept = set(self._selector.leaders(10_000)) | self._title.kept | self._on_trial
        kept |= set(range(len(self._problem.seeds)))
        # On a new block before the yardstick is: ranked as soon as that has met it too.
        kept |= {record.number for record in self._records.values() if record.merit == float("-inf")}
        confirmed = [record for record in self._records.values() if record.validation]
        confirmed.sort(key=lambda record: record.merit, reverse=True)
        kept |= {record.number for record in confirmed[:CONFIRMED_KEPT]}
        for number in [n for n in self._records if n not in kept]:
            del self._records[number]
            self._materials.pop(number, None)


def _trial(record: Record) -> Planned:
    """The evaluation on the validation block that seeds and leaders meet."""
    return Planned(number=record.number, purpose=Purpose.CONFIRM, split=Split.VALIDATION, block=SEEDS_BLOCK)


def _material(candidate: NewCandidate) -> Material:
    return Material(number=candidate.number, source=candidate.source, title=candidate.operator)
