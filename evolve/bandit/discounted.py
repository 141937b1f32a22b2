"""``DiscountedBandit``: the weights of the offers at first, later what an arm earns for what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from db.records import ArmRecord
from evolve.bandit.arm import Arm, Offer
from evolve.bandit.costs import Limits, cost_share
from evolve.bandit.fixed import check_offers
from evolve.bandit.ledger import Account
from evolve.bandit.protocol import Ending

DISCOUNT = 0.997
"""What is left of old evidence after another verdict; about 330 verdicts are remembered."""

BOLDNESS = 0.7
"""How much the weights and the pulls still missing count against what was earned."""

PRIOR = 6.0
"""Evidence in average pulls that an arm must bring before it counts as much as its kin."""

KIN_PRIOR = 6.0
"""Evidence in average pulls that arms of one family must bring before it counts as much as all arms together."""

FIRST_REWARD = 0.1
"""Mean reward that is expected before the first verdict; counts as much as three verdicts."""

FIRST_REWARD_WEIGHT = 3.0

LEAST_USE = 0.1
"""What a candidate counts at least, in average pulls: what fails at once and for nothing would be pulled for ever."""

LEAST_USE_VAIN = 0.25
"""The same of a pull in vain, which takes somebody's time though nothing is judged."""

JITTER = 0.5
"""Random factor on the bonus, in 1 - JITTER .. 1 + JITTER, so that equals take turns in no fixed order."""

_KINDS = ("proposer", "operator", "model", "selector")


class DiscountedBandit:
    """Upper confidence bounds on reward per cost, with the offers' weights as prior policy.

    The index of arm i is ``mean_i + BOLDNESS * sqrt(rate) * share_i * sqrt(1 + X) / (1 + x_i)``: the form of the
    bonus is that of PUCT (Rosin 2011; Silver et al. 2017, Methods), so that arms of which nothing is known are
    pulled in proportion to their weights, without forcing one pull of each. x_i is what the arm has used, in average
    pulls: its discounted cost over the average one (reward per cost as in UCB-BV, Ding et al. 2013; discount as in
    D-UCB, Garivier and Moulines 2011), and what it has under way counts as used with nothing earned. X is the sum,
    ``rate`` the mean reward of an average pull, which is also the variance of a rare reward for one pull, and
    ``share_i`` the offer's share of all weights. ``mean_i`` is what the arm earned for x_i, drawn towards what the
    arms with the same proposer, operator, model or selector did, as long as little is known of it.

    Only verdicts fade what was learned before: the order of pulls that came to nothing hardly matters then.

    Args:
        limits: of the run; what tokens and US dollars of a pull in vain are shares of.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._accounts: dict[Arm, Account] = {}

    def choose(self, rng: Random, offers: Sequence[Offer]) -> Arm:
        """See `Bandit.choose`."""
        check_offers(offers)
        where, sheet = self._sheet([offer.arm for offer in offers])
        rows = [where[offer.arm] for offer in offers]
        means = sheet.means()
        missing = math.sqrt(sheet.rate * (1.0 + sum(sheet.used[row] for row in rows)))
        bonus = BOLDNESS * missing / sum(offer.weight for offer in offers)
        best, highest = offers[0].arm, -math.inf
        for offer, row in zip(offers, rows, strict=True):
            luck = 1.0 - JITTER + 2.0 * JITTER * rng.random()
            index = means[row] + bonus * offer.weight / (1.0 + sheet.used[row]) * luck
            if index > highest:
                best, highest = offer.arm, index
        return best

    def pulled(self, arm: Arm) -> None:
        """See `Bandit.pulled`."""
        self._account(arm).pulled()

    def vain(self, arm: Arm, count: int = 1, tokens: int = 0, usd: float = 0.0) -> None:
        """See `Bandit.vain`."""
        share = cost_share(evaluations=0.0, tokens=tokens, usd=usd, limits=self._limits) if tokens or usd else 0.0
        self._account(arm).vain(count, tokens, usd, share)

    def ended(self, arm: Arm, ending: Ending) -> None:
        """See `Bandit.ended`."""
        for account in self._accounts.values():
            account.fade(DISCOUNT)
        self._account(arm).ended(ending)

    def table(self) -> tuple[ArmRecord, ...]:
        """See `Bandit.table`."""
        where, sheet = self._sheet(())
        means = sheet.means()
        return tuple(account.state(arm, means[where[arm]]) for arm, account in sorted(self._accounts.items()))

    def _account(self, arm: Arm) -> Account:
        return self._accounts.setdefault(arm, Account())

    def _average(self) -> float:
        """What a candidate costs on the average over what was spent, as a share of the budget; 0 before the first.

        A mean over candidates would be worth nothing where one arm fails a hundred times for next to nothing.
        """
        spent = sum(account.spent for account in self._accounts.values())
        if not spent:
            return 0.0
        return sum(one.spent * one.spent / one.weight for one in self._accounts.values() if one.weight) / spent

    def _sheet(self, offered: Iterable[Arm]) -> tuple[dict[Arm, int], _Sheet]:
        """The row of every arm ever pulled or offered now, and what is known in these rows."""
        average = self._average()
        accounts = list(self._accounts.values())
        where = {arm: row for row, arm in enumerate(self._accounts)}
        for arm in offered:
            if where.setdefault(arm, len(where)) == len(accounts):
                accounts.append(Account())
        earned, ended = FIRST_REWARD * FIRST_REWARD_WEIGHT, FIRST_REWARD_WEIGHT
        used = []
        for account in accounts:
            spent = account.spent / average if average else 0.0
            wasted = account.wasted / average if average else 0.0
            done = max(spent, LEAST_USE * account.weight) + max(wasted, LEAST_USE_VAIN * account.vain_pulls)
            per_candidate = (spent + 1.0) / (account.weight + 1.0)
            used.append(done + per_candidate * account.in_flight)
            earned += account.earned
            ended += done
        rewards = [account.earned for account in accounts]
        return where, _Sheet(arms=list(where), used=used, earned=rewards, rate=earned / ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """What is known of arms, in parallel lists.

    Args:
        arms: which.
        used: what each has used and has under way, in average pulls.
        earned: its rewards.
        rate: mean reward of an average pull of any.
    """

    arms: Sequence[Arm]
    used: Sequence[float]
    earned: Sequence[float]
    rate: float

    def means(self) -> list[float]:
        """Expected reward of spending what an average pull costs on each arm."""
        families = [[getattr(arm, kind) for arm in self.arms] for kind in _KINDS]
        kin = [self._of_kin(family) for family in families if len(set(family)) > 1]
        expected = (
            [sum(column) / len(kin) for column in zip(*kin, strict=True)] if kin else [self.rate] * len(self.arms)
        )
        rows = zip(self.earned, self.used, expected, strict=True)
        return [(earned + PRIOR * prior) / (used + PRIOR) for earned, used, prior in rows]

    def _of_kin(self, family: Sequence[str]) -> list[float]:
        """The same for each arm's family as a whole, which is named for each arm."""
        earned = dict.fromkeys(family, KIN_PRIOR * self.rate)
        used = dict.fromkeys(family, KIN_PRIOR)
        for name, reward, amount in zip(family, self.earned, self.used, strict=True):
            earned[name] += reward
            used[name] += amount
        return [earned[name] / used[name] for name in family]
