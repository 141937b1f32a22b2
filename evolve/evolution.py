"""The search as a pure state machine: it says what to evaluate and what to write next, and takes programs and verdicts.

Its state is a function of what it was told and in which order, so a resumed run rebuilds it from the archive.
Every random choice derives from the run's seed and the candidate's number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from db.records import NewCandidate, Note, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split
from evaluators.problem import Problem
from evaluators.program import ProgramError, normalised_digest
from evolve import ranking
from evolve.bandit.arm import Offer
from evolve.brief import Attempt, Brief
from evolve.briefing import make_brief
from evolve.chronicle import Chronicle
from evolve.desk import Draft, Written
from evolve.drafting import ATTEMPTS, SIMPLIFY, TUNER, Discarded, Drafting, Refusal, SearchExhaustedError
from evolve.lesson import Learner
from evolve.memory import Record
from evolve.parts import Parts, Race, RivalOf
from evolve.population import Population
from evolve.proposal import Selection
from evolve.repeats import REPEAT_BLOCK
from evolve.steering import Steering
from evolve.title import SEEDS_BLOCK, Title

CARRIED = 4
"""How many leaders are measured again when a new block begins, so that estimates rest on more workloads."""


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
        steering: chooses who writes next, and from whom.
        seed: the run's seed for search choices.
        known: number of the candidate that has a normalised digest, if one has; may be asked from any thread.
        block_size: how many candidates meet the same train workloads.
        attempts: how many programs in a row may be refused before the search gives up for now; None for any number.
        parts: what else the search is made of.
    """

    def __init__(
        self,
        problem: Problem,
        steering: Steering,
        *,
        seed: int,
        known: Callable[[str], int | None],
        block_size: int = 200,
        attempts: int | None = ATTEMPTS,
        parts: Parts | None = None,
    ) -> None:
        parts = parts or Parts()
        self._problem = problem
        self.steering = steering
        self._block_size = block_size
        self._next_number = 0
        self._pending: deque[Planned] = deque()
        self._followed: set[Planned] = set()
        self._noted_ahead: set[int] = set()
        self._population = Population(problem, steering, parts.novelty)
        self._drafting = Drafting(
            problem,
            steering,
            seed=seed,
            known=known,
            materials=self._population.materials,
            attempts=attempts,
            novelty=parts.novelty,
        )
        self._racing = parts.racing
        self._repeats = parts.repeats
        self._learners: list[Learner] = []
        self._rivals: list[RivalOf] = []
        self._chronicle = Chronicle()
        self._title = Title(self._population.records)
        self._on_trial: set[int] = set()
        self._block = 0
        self.bred = 0  # candidates beside the starting programs, and beside what was left of a winner
        self._told = 0
        self._told_block = 0

    @property
    def best(self) -> int | None:
        """Number of the candidate called best: the last challenger to win its duel, at first the best seed."""
        return self._title.best

    def teach(self, learner: Learner, rival: RivalOf | None = None) -> None:
        """Let somebody hear of every verdict on train workloads from now on.

        Args:
            learner: hears.
            rival: says whom a program of the tuner should race in place of its parent, if it knows better.
        """
        self._learners.append(learner)
        if rival is not None:
            self._rivals.append(rival)

    def ask(self) -> Ask | None:
        """What to evaluate next; None while that takes a new program or more verdicts.

        Raises:
            SearchExhaustedError: a seed is not a program.
        """
        if self._next_number < len(self._problem.seeds):
            return self._register_seed(self._next_number)
        return Ask(planned=self._pending.popleft()) if self._pending else None

    def draft(self, offers: Sequence[Offer] = ()) -> Draft | None:
        """What to write next; None while nothing can be decided before more verdicts are told.

        Args:
            offers: what whoever writes can do now; none where it does one thing only.

        Raises:
            SearchExhaustedError: too many programs in a row were refused.
        """
        if self._next_number < len(self._problem.seeds):
            return None
        return self._drafting.draft(self._next_number, offers)

    def accept(self, written: Written) -> Ask | Refusal:
        """Take what came of a draft, whenever that was made: evaluate it, or why not."""
        verdict = self._drafting.look_at(written.proposal, written.reason)
        if isinstance(verdict, Refusal):
            self.steering.refused(written)
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
                arm=written.arm.key if written.arm else None,
                refused=self.steering.take_refused(),
                tokens=written.tokens,
                cost=written.cost,
            )
        )

    def reconsider(self) -> None:
        """Whoever writes now is another one, so what was refused before does not count."""
        self._drafting.reconsider()

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

    def broken(self) -> int | None:
        """Number of a failed program that nobody has repaired yet; None without any."""
        program = self._chronicle.broken(-1)
        return program.number if program else None

    def brief(self, selection: Selection) -> Brief:
        """What whoever writes the next program from this selection is told."""
        return make_brief(
            self._problem,
            selection,
            records=self._population.records,
            yardstick=self._population.yardstick,
            best=self.best,
            chronicle=self._chronicle,
        )

    def race(self, candidate: NewCandidate, planned: Planned) -> Race:
        """How a new candidate is measured: against its parent, or a better rival, if one was measured on its block."""
        is_meant_to_differ = candidate.parents and candidate.proposer != SIMPLIFY
        if self._racing is None or planned.purpose is not Purpose.SEARCH or not is_meant_to_differ:
            return Race()
        rivals = self._rivals if candidate.proposer == TUNER else []
        chosen = next((number for rival in rivals if (number := rival(candidate.source)) is not None), None)
        met = [each for number in (chosen, candidate.parents[0]) if (each := self._measured(number, planned))]
        if not met:
            return Race()
        measured = max(met, key=lambda each: sum(each.shares))  # whom a poor study calls its best may be the worse one
        return Race(shares=tuple(measured.shares), order=self._racing.order(measured))

    def tell(self, candidate: NewCandidate, planned: Planned, evaluation: Evaluation) -> None:
        """Take the verdict on what was asked; in a replay, also on what was asked by an earlier sitting."""
        self.restore(candidate, planned)
        if planned.purpose is Purpose.FINAL or candidate.proposer == SIMPLIFY:
            return  # what is left of the winner is no part of the search
        self._told += 1
        self._drafting.reconsider()
        self._chronicle.tell(candidate, planned, evaluation, self._parent_score(candidate, planned))
        population = self._population
        if evaluation.outcome is not Outcome.OK:
            self._learn_from(candidate, planned, evaluation)
            self._disqualify(candidate.number, planned.purpose)
        elif not population.has_failed(candidate.number):
            record = population.add(candidate, evaluation)
            self._learn_from(candidate, planned, evaluation)
            if planned.split is Split.TRAIN:
                self._tell_train(record, planned.block)
            else:
                self._tell_validation(record, planned.block)
        self._follow_up()
        self._chronicle.crown(self.best)
        population.prune(self._title.kept | self._on_trial | (self._repeats.kept if self._repeats else set()))

    def restore(self, candidate: NewCandidate, planned: Planned) -> None:
        """Note that this evaluation was planned (by this sitting or an earlier one); does nothing twice."""
        if planned.purpose is not Purpose.SEARCH:
            self._followed.add(planned)
            self._title.note(planned)
            if self._repeats:
                self._repeats.note(planned)
            if planned in self._pending:
                self._pending.remove(planned)
        elif candidate.number >= self._next_number and candidate.number not in self._noted_ahead:
            self.steering.replayed(candidate)
            self._note_new(candidate, planned)

    def finalists(self, count: int) -> list[int]:
        """The best so far, then the others by merit, those measured on validation first; no seeds."""
        return ranking.finalists(self._population.records, self.best, count)

    def best_seeds(self, count: int) -> list[int]:
        """Numbers of the unmodified starting programs with the highest train scores, best first."""
        return ranking.best_seeds(self._population.records, count)

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
        if candidate.proposer == SIMPLIFY:  # where the original was measured last
            met = self._population.records[candidate.parents[0]].train
            block = max((each for each in met if each < REPEAT_BLOCK), default=block)
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
        if candidate.proposer == SIMPLIFY:
            return
        self.bred += candidate.proposer != "seed"
        if candidate.proposer == "seed":
            self._population.learn(candidate)
        elif candidate.parents:
            self.steering.bred(candidate.parents[0])
        if planned.block > self._block:
            self._block = planned.block
            for leader in self.steering.leaders(CARRIED):
                self._follow(Planned(number=leader, purpose=Purpose.CARRY, split=Split.TRAIN, block=planned.block))

    def _follow(self, planned: Planned) -> None:
        """Ask for a further evaluation of a known candidate, once."""
        if planned not in self._followed:
            self._followed.add(planned)
            self._pending.append(planned)

    # -- telling -----------------------------------------------------------------------------------

    def _learn_from(self, candidate: NewCandidate, planned: Planned, evaluation: Evaluation) -> None:
        if planned.split is not Split.TRAIN:
            return
        lesson = self._population.lesson(candidate, planned, evaluation)
        if lesson.is_first and candidate.proposer != "seed":
            self.steering.judged(lesson)
        if self._racing is not None:
            self._racing.learn(evaluation, self._measured(next(iter(candidate.parents), None), planned))
        for learner in self._learners:
            learner(lesson)

    def _parent_score(self, candidate: NewCandidate, planned: Planned) -> float | None:
        """Score of a candidate's parent on the same train block, if both are known."""
        return measured.score if (measured := self._measured(next(iter(candidate.parents), None), planned)) else None

    def _measured(self, number: int | None, planned: Planned) -> Evaluation | None:
        """What somebody reached on the same train block."""
        known = self._population.records.get(number) if number is not None else None
        return known.train.get(planned.block) if known and planned.split is Split.TRAIN else None

    def _tell_train(self, record: Record, block: int) -> None:
        if block < REPEAT_BLOCK:
            self._told_block = max(self._told_block, block)
        if record is self._population.yardstick:  # those who met this block before it have a lead only now
            self._population.rank_all()
        self._population.rank(record)
        self._title.consider(record.number)

    def _tell_validation(self, record: Record, block: int) -> None:
        self._on_trial.discard(record.number)
        self._population.rank(record)
        for other in self._population.records.values():
            if other.learn_from(record):
                self._population.rank(other)
        self._title.consider(record.number)
        self._title.settle(block)

    def _follow_up(self) -> None:
        """Ask for what the verdicts so far call for: the seeds' validation, a duel, the champion on a new block."""
        best, records = self.best, self._population.records
        if best is None:
            self._crown_a_seed()
            return
        for record in (records[best], self._population.yardstick):
            if record is not None and record.number in records and self._told_block not in record.train:
                self._follow(
                    Planned(number=record.number, purpose=Purpose.CARRY, split=Split.TRAIN, block=self._told_block)
                )
        self._try_leader()
        duel = self._title.next_duel(self._told)
        for planned in duel.planned if duel else ():
            self._follow(planned)
        for planned in self._repeats.next(records, best, self._told) if self._repeats else ():
            self._follow(planned)

    def _try_leader(self) -> None:
        """Measure whoever would lead on the validation block that the seeds have met, before it fathers the search.

        A program that fits the train machines alone shows it there, and its children inherit that. The block is used
        again and again, so what it says counts for the ranking of parents only; titles are won on unused ones.
        """
        leader = ranking.untried_leader(self._population.records)
        if leader is not None and leader.number not in self._on_trial:
            self._on_trial.add(leader.number)
            self._follow(_trial(leader))

    def _crown_a_seed(self) -> None:
        """Measure every seed on validation; the one of the highest merit is the first to be called best.

        All of them, because their way from train to validation is what their children are ranked by at first.
        """
        seeds = self._population.seeds
        if len(seeds) + self._population.failed_seeds < len(self._problem.seeds):
            return
        for seed in seeds:
            self._follow(_trial(seed))
        if seeds and all(seed.validation for seed in seeds):
            self._population.choose_yardstick(seeds)
            self._title.crown(max(seeds, key=lambda seed: (seed.merit, -seed.number)).number)

    def _disqualify(self, number: int, purpose: Purpose) -> None:
        """A candidate that failed anywhere is no parent, no finalist and not the best."""
        if self._population.disqualify(number, purpose) is not None:
            self._on_trial.discard(number)
            self._title.drop(number)


def _trial(record: Record) -> Planned:
    """The evaluation on the validation block that seeds and leaders meet."""
    return Planned(number=record.number, purpose=Purpose.CONFIRM, split=Split.VALIDATION, block=SEEDS_BLOCK)
