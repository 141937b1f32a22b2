"""The proposer that draws an operator, applies it, and hands back only what is new and plausible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from evaluators.program import ProgramError, normalised_digest
from evolve.proposal import Context, Material, Proposal, ProposalError, Selection
from evolve.proposers.operators.blend import blend
from evolve.proposers.operators.constants import constant
from evolve.proposers.operators.crossover import adopt, crossover
from evolve.proposers.operators.exchange import insert
from evolve.proposers.operators.graft import graft
from evolve.proposers.operators.mutate import mutate
from evolve.proposers.operators.source import MOST_NODES, Program, prune
from evolve.proposers.operators.task import Change, Operator, Task
from evolve.proposers.operators.tidy import tidy
from evolve.proposers.operators.warm_start import warm_start

OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "adopt": adopt,
        "blend": blend,
        "constant": constant,
        "crossover": crossover,
        "graft": graft,
        "insert": insert,
        "mutate": mutate,
        "prune": tidy,
        "warm_start": warm_start,
    }
)
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "adopt": 1.0,
        "blend": 1.5,
        "constant": 4.0,
        "crossover": 2.5,
        "graft": 3.0,
        "insert": 1.5,
        "mutate": 4.0,
        "prune": 0.3,
        "warm_start": 2.0,
    }
)
_SECOND_TRIES = 4
_NAMED_TRIES = 6
_PARSED = 64
# Starting from the carried state pays only once something improves that state.
_FOLLOWERS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {"warm_start": {"graft": 20.0, "insert": 10.0, "adopt": 0.0}}
)


class Operators:
    """Proposes without a model: deterministic in the context's rng, generic over problems.

    Args:
        weights: how often each operator is tried, by name; left out means never.
        tries: how many operators to try before giving up.
        stack_share: how often a second operator is applied to the result of the first.
    """

    def __init__(self, *, weights: Mapping[str, float] = WEIGHTS, tries: int = 20, stack_share: float = 0.3) -> None:
        unknown = sorted(weights.keys() - OPERATORS.keys())
        if unknown or not any(weight > 0 for weight in weights.values()):
            raise ValueError(f"weights must name some of {', '.join(OPERATORS)}; unknown: {unknown}")
        self._weights = dict(sorted(weights.items()))
        self._tries = tries
        self._stack_share = stack_share
        # Seeds and elites come back again and again; their trees and digests need not.
        self._parse = lru_cache(maxsize=_PARSED)(Program)
        self._digest = lru_cache(maxsize=1024)(normalised_digest)
        self._is_large = lru_cache(maxsize=1024)(_is_large)

    @property
    def name(self) -> str:
        """Name in the archive."""
        return "operators"

    def propose(self, selection: Selection, context: Context, *, operator: str = "") -> Proposal:
        """Write one program that parses, passes the screen and has a digest of its own.

        Args:
            selection: the parent, and programs to take from.
            context: the problem.
            operator: the one to apply first, a key of `WEIGHTS`; empty draws one by weight. A second one may follow
                all the same. The archive's name of the change begins with the name of the operator.

        Raises:
            ProposalError: nothing came of `tries` operators, or of a few tries of the one named; or the parent has
                more than `MOST_NODES` syntax nodes. Donors of more are left out.
            ValueError: there is no such operator.
        """
        if operator and operator not in OPERATORS:
            raise ValueError(f"unknown operator {operator!r}; there are {', '.join(OPERATORS)}")
        if self._is_large(selection.parent.source):
            raise ProposalError(
                f"candidate {selection.parent.number} has more than {MOST_NODES} syntax nodes, "
                "which is too large for the offline operators; choose a smaller parent"
            )
        first_weights = {operator: 1.0} if operator else self._weights
        donors = [each for each in _donors(selection, context.seeds) if not self._is_large(each.source)]
        reasons: list[str] = []
        for _ in range(min(self._tries, _NAMED_TRIES) if operator else self._tries):
            try:
                change = self._make(selection.parent, donors, context, first_weights)
            except (ProposalError, ProgramError) as error:
                reasons.append(str(error))
                continue
            parents = dict.fromkeys((selection.parent.number, *change.donors))
            return Proposal(
                source=change.source,
                proposer=self.name,
                operator=change.operator,
                parents=tuple(parents),
                note=change.note,
            )
        who = operator or "no operator"
        verb = "does not apply" if operator else "applies"
        raise ProposalError(f"{who} {verb} to candidate {selection.parent.number}: {reasons[-1]}")

    def _make(
        self,
        parent: Material,
        donors: Sequence[Material],
        context: Context,
        first_weights: Mapping[str, float],
    ) -> Change:
        """Apply one operator, now and then a second one; what only repeats a donor always needs a second.

        Raises:
            ProgramError: the parent does not parse.
            ProposalError: the operator found nothing, or nothing new came of it.
        """
        first = self._apply(parent.source, donors, context, first_weights)
        known = {self._digest(parent.source, entry=context.entry)}
        self._admit(first, known, context)
        known |= self._digests_of(first.donors, donors, context)
        is_copy = self._digest(first.source, entry=context.entry) in known
        followers = _FOLLOWERS.get(first.operator, {})
        share = self._stack_share * (3 if followers else 1)
        if is_copy and share == 0:
            raise ProposalError(f"{first.operator} made a donor over again")
        if not is_copy and context.rng.random() >= share:
            return first
        weights = {name: followers.get(name, weight) for name, weight in self._weights.items()}
        known.add(self._digest(first.source, entry=context.entry))
        try:
            return self._follow(first, weights, donors, known, context)
        except ProposalError:
            if is_copy:
                raise
            return first

    def _follow(
        self,
        first: Change,
        weights: Mapping[str, float],
        donors: Sequence[Material],
        known: Set[str],
        context: Context,
    ) -> Change:
        """Apply a second operator to what the first one made.

        Raises:
            ProposalError: nothing new came of a few tries.
        """
        reason = "no operator may follow"
        for _ in range(_SECOND_TRIES if any(weights.values()) else 0):
            try:
                second = self._apply(first.source, donors, context, weights)
                self._admit(second, known | self._digests_of(second.donors, donors, context), context)
            except (ProposalError, ProgramError) as error:
                reason = str(error)
                continue
            return Change(
                source=second.source,
                operator=f"{first.operator}+{second.operator}",
                note=f"{first.note}; {second.note}",
                donors=(*first.donors, *second.donors),
            )
        raise ProposalError(reason)

    def _apply(self, source: str, donors: Sequence[Material], context: Context, weights: Mapping[str, float]) -> Change:
        """Draw an operator, apply it, and remove what it may have left unused."""
        if self._is_large(source):
            raise ProposalError(f"the first change left more than {MOST_NODES} syntax nodes")
        operator = context.rng.choices(list(weights), list(weights.values()))[0]
        task = Task(
            parent=self._parse(source),
            donors=donors,
            entry=context.entry,
            optional_parameters=context.optional_parameters,
            rng=context.rng,
            parse=self._parse,
        )
        change = OPERATORS[operator](task)
        return replace(change, source=prune(change.source, context.entry)) if change.may_orphan else change

    def _admit(self, change: Change, known: Set[str], context: Context) -> None:
        """Refuse a program that the screen objects to, or that is known.

        Raises:
            ProposalError: it is refused; the message says why.
        """
        reason = context.objection(change.source)
        if reason is not None:
            raise ProposalError(f"{change.operator} made a program that {reason}")
        if self._digest(change.source, entry=context.entry) in known:
            raise ProposalError(f"{change.operator} made nothing new")

    def _digests_of(self, numbers: Sequence[int], donors: Sequence[Material], context: Context) -> set[str]:
        return {self._digest(material.source, entry=context.entry) for material in donors if material.number in numbers}


def _is_large(source: str) -> bool:
    try:
        return Program(source).is_large
    except ProgramError:
        return False


def _donors(selection: Selection, seeds: Sequence[Material]) -> list[Material]:
    """List the programs to take from: inspirations twice as likely as seeds, the parent never."""
    others = [*selection.inspirations, *selection.inspirations, *seeds]
    return [material for material in others if material.number != selection.parent.number]
