"""What happened in a search, as far as the next prompt should know: what was tried, what failed, what was concluded.

Bounded, and a function of what it was told, so that a resumed run remembers the same.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

from db.records import NewCandidate, Note, NoteKind, Planned, Purpose
from evaluators.model import Evaluation, Outcome
from evolve.brief import Attempt, Broken, Paradigm, Plateau

PLATEAU_AFTER = 50
"""How many evaluations without a new best make a plateau."""

GENERATIONS = 6
SIBLINGS = 8
FAILURES = 5
BROKEN_KEPT = 8
LONGEST_BROKEN = 40_000
"""Characters of a failed program that may still be shown to be repaired."""

LATEST = 60
PARADIGMS = 12
HYPOTHESES = 8
REMEMBERED = 4096

_REPAIRABLE = frozenset(
    {Outcome.WRONG, Outcome.CRASHED, Outcome.TIMEOUT, Outcome.OUT_OF_MEMORY, Outcome.REJECTED},
)


class Chronicle:
    """Remembers attempts by candidate, failures, notes, and how long ago the best was found."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[int, Attempt] = OrderedDict()
        self._children: OrderedDict[int, deque[int]] = OrderedDict()
        self._failures: deque[int] = deque(maxlen=FAILURES)
        self._broken: OrderedDict[int, Broken] = OrderedDict()
        self._latest: deque[int] = deque(maxlen=LATEST)
        self._paradigms: OrderedDict[int, Paradigm] = OrderedDict()
        self._hypotheses: deque[str] = deque(maxlen=HYPOTHESES)
        self._insights = ""
        self._best: int | None = None
        self._told = 0
        self._best_at = 0

    @property
    def told(self) -> int:
        """How many verdicts it has heard."""
        return self._told

    @property
    def insights(self) -> str:
        """What was concluded from the search so far; empty if nothing was."""
        return self._insights

    @property
    def hypotheses(self) -> tuple[str, ...]:
        """Notes that proposers left, oldest first."""
        return tuple(self._hypotheses)

    def tell(self, candidate: NewCandidate, planned: Planned, evaluation: Evaluation, before: float | None) -> None:
        """Hear a verdict.

        Args:
            candidate: on whom.
            planned: what was measured.
            evaluation: the verdict.
            before: the parent's score on the same workloads; None if unknown.
        """
        self._told += 1
        if planned.purpose is not Purpose.SEARCH or candidate.proposer == "seed":
            return
        parent = candidate.parents[0] if candidate.parents else -1
        gain = evaluation.score - before if evaluation.score is not None and before is not None else None
        self._attempts[candidate.number] = Attempt(
            number=candidate.number,
            parent=parent,
            title=candidate.operator,
            note=candidate.note,
            outcome=evaluation.outcome,
            gain=gain,
            reason=evaluation.reason,
        )
        self._children.setdefault(parent, deque(maxlen=SIBLINGS)).append(candidate.number)
        self._children.move_to_end(parent)
        self._latest.append(candidate.number)
        for mended in candidate.parents:
            self._broken.pop(mended, None)
        if evaluation.outcome in _REPAIRABLE:
            self._remember_failure(candidate, parent, evaluation)
        paradigm = self._paradigms.get(candidate.number)
        if paradigm is not None:
            self._note_paradigm(paradigm.name, candidate.number)
        for book in (self._attempts, self._children):
            while len(book) > REMEMBERED:
                book.popitem(last=False)

    def crown(self, best: int | None) -> None:
        """Hear who is called best now."""
        if best != self._best:
            self._best = best
            self._best_at = self._told

    def note(self, note: Note) -> None:
        """Hear a note."""
        if note.kind is NoteKind.INSIGHTS:
            self._insights = note.text
        elif note.kind is NoteKind.HYPOTHESIS:
            self._hypotheses.append(note.text)
        elif note.number is not None:
            self._note_paradigm(note.text, note.number)

    def line(self, number: int) -> tuple[Attempt, ...]:
        """What was tried on the way to a candidate, its first known ancestor first, and then from it."""
        ancestry: list[Attempt] = []
        step = self._attempts.get(number)
        while step is not None and len(ancestry) < GENERATIONS:
            ancestry.append(step)
            step = self._attempts.get(step.parent)
        return (*reversed(ancestry), *self._known(self._children.get(number, ())))

    @property
    def failures(self) -> tuple[Attempt, ...]:
        """Programs that failed lately, newest last."""
        return self._known(self._failures)

    @property
    def latest(self) -> tuple[Attempt, ...]:
        """The latest attempts of all lines, newest last."""
        return self._known(self._latest)

    def broken(self, parent: int) -> Broken | None:
        """A failed program that nobody has repaired yet: a child of that parent if there is one, else the newest."""
        programs = list(reversed(self._broken.values()))
        return next((program for program in programs if program.parent == parent), programs[0] if programs else None)

    def plateau(self) -> Plateau | None:
        """Set when nobody has become best for long."""
        since = self._told - self._best_at
        if self._best is None or since < PLATEAU_AFTER:
            return None
        return Plateau(evaluations=since, paradigms=tuple(self._paradigms.values()))

    def _remember_failure(self, candidate: NewCandidate, parent: int, evaluation: Evaluation) -> None:
        self._failures.append(candidate.number)
        if len(candidate.source) > LONGEST_BROKEN:
            return
        self._broken[candidate.number] = Broken(
            number=candidate.number,
            parent=parent if parent >= 0 else None,
            source=candidate.source,
            outcome=evaluation.outcome,
            reason=evaluation.reason,
            log=evaluation.log,
        )
        if len(self._broken) > BROKEN_KEPT:
            self._broken.popitem(last=False)

    def _note_paradigm(self, name: str, number: int) -> None:
        attempt = self._attempts.get(number)
        outcome, gain = (attempt.outcome, attempt.gain) if attempt else (None, None)
        self._paradigms[number] = Paradigm(name=name, number=number, outcome=outcome, gain=gain)
        if len(self._paradigms) > PARADIGMS:
            self._paradigms.popitem(last=False)

    def _known(self, numbers: Sequence[int]) -> tuple[Attempt, ...]:
        return tuple(self._attempts[number] for number in numbers if number in self._attempts)
