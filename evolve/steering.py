"""Who makes the next program and who chooses its parent: selectors side by side, and the bandit over all arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from db.records import ArmKey, ArmRecord, NewCandidate, VainPulls
from evaluators.model import Outcome
from evolve.bandit.arm import Arm, Offer
from evolve.bandit.costs import Limits, cost_share
from evolve.bandit.protocol import Bandit, Ending
from evolve.bandit.reward import Credit
from evolve.desk import Written
from evolve.lesson import Lesson
from evolve.selectors.protocol import Choice, Member, Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is done next: the arm that was pulled, if there are arms, and who was chosen."""

    arm: Arm | None
    choice: Choice


class Steering:
    """Implements what selectors do over all of them, and pulls arms. Its state is a function of the calls made to it.

    Args:
        selectors: by name; every one of them hears of everybody. The first one also names the leaders.
        bandit: draws arms; None where there are none, and the first selector chooses alone.
        limits: of the run's budget, which the costs of pulls are shares of.
    """

    def __init__(self, selectors: Mapping[str, Selector], bandit: Bandit | None = None, limits: Limits | None = None):
        self._selectors = dict(selectors)
        self._first = next(iter(self._selectors))
        self._bandit = bandit
        self._limits = limits or Limits()
        self._credit = Credit()
        self._vain: dict[ArmKey, VainPulls] = {}

    # -- choosing ------------------------------------------------------------------------------------

    def choose(self, rng: Random, offers: Sequence[Offer]) -> Course | None:
        """Pull an arm and choose a parent; None while nobody has been measured.

        Args:
            rng: the only source of randomness.
            offers: what whoever writes can do now, selectors left open; none where it does one thing only.
        """
        arm = None
        if offers and self._bandit is not None:
            every = [
                Offer(arm=replace(offer.arm, selector=name), weight=offer.weight)
                for name in self._selectors
                for offer in offers
            ]
            arm = self._bandit.choose(rng, every)
        choice = self._selectors[arm.selector if arm else self._first].choose(rng)
        if choice is None:
            return None
        if arm is not None and self._bandit is not None:
            self._bandit.pulled(arm)
        return Course(arm=arm, choice=choice)

    # -- what came of it -----------------------------------------------------------------------------

    def refused(self, written: Written) -> None:
        """No candidate came of a pull."""
        if self._bandit is None or written.arm is None:
            return
        key = written.arm.key
        earlier = self._vain.get(key) or VainPulls(arm=key, times=0)
        self._vain[key] = VainPulls(
            arm=key,
            times=earlier.times + 1,
            tokens=earlier.tokens + written.tokens,
            cost=earlier.cost + written.cost,
        )
        self._bandit.vain(written.arm, tokens=written.tokens, usd=written.cost)

    def take_refused(self) -> tuple[VainPulls, ...]:
        """Pulls in vain since this was last asked, to be remembered with the next candidate."""
        vain, self._vain = self._vain, {}
        return tuple(vain.values())

    def replayed(self, candidate: NewCandidate) -> None:
        """A candidate that an earlier sitting registered: what was pulled for it and in vain before it."""
        if self._bandit is None:
            return
        for vain in candidate.refused:
            arm = Arm.of(vain.arm)
            for _ in range(vain.times):
                self._bandit.pulled(arm)
            self._bandit.vain(arm, vain.times, tokens=vain.tokens, usd=vain.cost)
        if candidate.arm is not None:
            self._bandit.pulled(Arm.of(candidate.arm))

    def judged(self, lesson: Lesson) -> None:
        """The first verdict on a candidate."""
        reward = self._credit.reward(lesson)
        candidate, evaluation = lesson.candidate, lesson.evaluation
        if self._bandit is None or candidate.arm is None:
            return
        share = cost_share(seconds=evaluation.seconds, tokens=candidate.tokens, usd=candidate.cost, limits=self._limits)
        self._bandit.ended(
            Arm.of(candidate.arm),
            Ending(
                reward=reward,
                cost=share,
                seconds=evaluation.seconds,
                tokens=candidate.tokens,
                usd=candidate.cost,
                ok=evaluation.outcome is Outcome.OK,
                improved=reward > 0,
            ),
        )

    def table(self) -> tuple[ArmRecord, ...]:
        """Every arm that was ever pulled, with what came of it."""
        return self._bandit.table() if self._bandit is not None else ()

    # -- selectors -----------------------------------------------------------------------------------

    def tell(self, member: Member) -> None:
        """See `Selector.tell`."""
        for selector in self._selectors.values():
            selector.tell(member)

    def drop(self, number: int) -> None:
        """See `Selector.drop`."""
        for selector in self._selectors.values():
            selector.drop(number)

    def bred(self, parent: int) -> None:
        """See `Selector.bred`."""
        for selector in self._selectors.values():
            selector.bred(parent)

    def leaders(self, count: int) -> list[int]:
        """Numbers of the members with the highest lower bounds, best first."""
        return self._selectors[self._first].leaders(count)

    def kept(self) -> set[int]:
        """Numbers of everybody whom a selector may still choose."""
        return {number for selector in self._selectors.values() for number in selector.leaders(10_000)}

    def neighbours(self, parent: int) -> list[int]:
        """See `Selector.neighbours`."""
        return self._selectors[self._first].neighbours(parent)
