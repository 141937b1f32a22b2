"""Asking for new programs, and taking or refusing what comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from evaluators.problem import Problem
from evaluators.program import ProgramError, normalised_digest
from evolve.bandit.arm import Offer
from evolve.desk import Draft
from evolve.novelty import Novelty
from evolve.proposal import Context, Material, Proposal, Selection
from evolve.steering import Steering

ATTEMPTS = 50
"""How many programs in a row an offline proposer may offer in vain before the search gives up for now."""


LONGEST_REASON = 300

SIMPLIFY = "simplify"
"""Proposer of programs that are the winner with something left out."""

TUNER = "tuner"
"""Proposer of programs that differ from others in marked constants alone."""

SELF_MADE = frozenset({"operators", "llm"})
"""Proposers whose programs must be new; a tuner knows what it tried, and somebody outside may insist on small steps."""


class SearchExhaustedError(RuntimeError):
    """No new program could be made in many attempts."""


class RefusalKind(StrEnum):
    """Why a program is not judged."""

    MISSING = "missing"
    UNUSABLE = "unusable"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A program that costs no evaluation, and why."""

    kind: RefusalKind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """How many programs were refused."""

    duplicates: int = 0
    unusable: int = 0


class Drafting:
    """Makes drafts and looks at what comes of them. Every choice follows from the run's seed.

    Args:
        problem: what is improved.
        steering: chooses who writes, and from whom.
        seed: the run's seed for search choices.
        known: number of the candidate that has a normalised digest, if one has; may be asked from any thread.
        materials: programs by number, kept up to date by the owner.
        attempts: how many programs in a row may be refused before the search gives up for now; None for any number.
        novelty: says whether a program is nearly that of another; None where nobody asks.
    """

    def __init__(
        self,
        problem: Problem,
        steering: Steering,
        *,
        seed: int,
        known: Callable[[str], int | None],
        materials: Mapping[int, Material],
        attempts: int | None = ATTEMPTS,
        novelty: Novelty | None = None,
    ) -> None:
        self._problem = problem
        self._steering = steering
        self._novelty = novelty
        self._seed = seed
        self._known = known
        self._materials = materials
        self._attempts = attempts
        self._number = -1
        self._drafted = 0
        self._refused = 0
        self._reason = ""
        self._discarded = Discarded()

    def draft(self, number: int, offers: Sequence[Offer] = ()) -> Draft | None:
        """What to write next, towards the candidate of that number; None while nobody has been measured.

        Args:
            number: of the candidate.
            offers: what whoever writes can do now; none where it does one thing only.

        Raises:
            SearchExhaustedError: too many programs in a row were refused.
        """
        if self._attempts is not None and self._refused >= self._attempts:
            raise SearchExhaustedError(
                f"no new program in {self._refused} attempts for candidate {number}; the last one: {self._reason}"
            )
        attempt = self._drafted if number == self._number else 0
        course = self._steering.choose(self._rng(number, f"select:{attempt}"), offers)
        if course is None:
            return None
        choice = course.choice
        self._number, self._drafted = number, attempt + 1
        selection = Selection(
            parent=self._materials[choice.parent],
            inspirations=tuple(self._materials[n] for n in choice.inspirations),
        )
        context = self.context(self._rng(number, f"propose:{attempt}"))
        return Draft(selection=selection, context=context, arm=course.arm)

    def reconsider(self) -> None:
        """Something new is known, so what could not be made may be possible now."""
        self._refused = 0

    def context(self, rng: Random) -> Context:
        """What a proposer may know of the problem."""
        facts = self._problem.declaration
        count = len(self._problem.seeds)
        return Context(
            statement=self._problem.statement,
            entry=facts.entry,
            parameters=facts.parameters,
            optional_parameters=facts.optional_parameters,
            allowed_imports=facts.allowed_imports,
            seeds=[self._materials[number] for number in range(count) if number in self._materials],
            rng=rng,
            template=facts.template,
            repeats=self._repeats,
        )

    def look_at(self, proposal: Proposal | None, reason: str = "") -> str | Refusal:
        """The digest of a program that is worth an evaluation, or why it is refused; refusals are counted."""
        verdict = self._digest_or_refusal(proposal, reason)
        if isinstance(verdict, str):
            self._refused = 0
        else:
            self._refused += 1
            self._reason = " ".join(verdict.reason.split())[:LONGEST_REASON]
            repeat = verdict.kind is RefusalKind.DUPLICATE
            tally = self._discarded
            self._discarded = Discarded(duplicates=tally.duplicates + repeat, unusable=tally.unusable + (not repeat))
        return verdict

    def take_discarded(self) -> Discarded:
        """How many were refused since this was last asked."""
        discarded, self._discarded = self._discarded, Discarded()
        return discarded

    def _digest_or_refusal(self, proposal: Proposal | None, reason: str) -> str | Refusal:
        if proposal is None:
            return Refusal(kind=RefusalKind.MISSING, reason=reason or "no program was written")
        context = self.context(Random(0))
        objection = context.objection(proposal.source)
        if objection:
            return Refusal(kind=RefusalKind.UNUSABLE, reason=f"the program {objection}")
        try:
            digest = normalised_digest(proposal.source, entry=context.entry)
        except ProgramError as error:
            return Refusal(kind=RefusalKind.UNUSABLE, reason=str(error))
        same = self._known(digest)
        if same is not None:
            return Refusal(kind=RefusalKind.DUPLICATE, reason=f"candidate {same} is the same program")
        if self._novelty is not None and proposal.parents and proposal.proposer in SELF_MADE:
            near = self._novelty.objection(proposal.source, self._steering.neighbours(proposal.parents[0]))
            if near:
                return Refusal(kind=RefusalKind.DUPLICATE, reason=near)
        return digest

    def _repeats(self, source: str) -> bool:
        try:
            digest = normalised_digest(source, entry=self._problem.declaration.entry)
        except ProgramError:
            return False
        return self._known(digest) is not None

    def _rng(self, number: int, purpose: str) -> Random:
        return Random(f"{self._seed}:{number}:{purpose}")
