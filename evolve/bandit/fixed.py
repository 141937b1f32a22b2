"""``FixedShares``: every arm is drawn by its weight, whatever came of it. What a bandit must beat."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from db.records import ArmRecord
from evolve.bandit.arm import Arm, Offer
from evolve.bandit.ledger import Account
from evolve.bandit.protocol import Ending


class FixedShares:
    """Draws by the offers' weights; keeps the accounts for people."""

    def __init__(self) -> None:
        self._accounts: dict[Arm, Account] = {}

    def choose(self, rng: Random, offers: Sequence[Offer]) -> Arm:
        """See `Bandit.choose`."""
        check_offers(offers)
        return rng.choices([offer.arm for offer in offers], weights=[offer.weight for offer in offers])[0]

    def pulled(self, arm: Arm) -> None:
        """See `Bandit.pulled`."""
        self._account(arm).pulled()

    def vain(self, arm: Arm, count: int = 1, tokens: int = 0, usd: float = 0.0) -> None:
        """See `Bandit.vain`."""
        self._account(arm).vain(count, tokens, usd, 0.0)

    def ended(self, arm: Arm, ending: Ending) -> None:
        """See `Bandit.ended`."""
        self._account(arm).ended(ending)

    def table(self) -> tuple[ArmRecord, ...]:
        """See `Bandit.table`; the index is the mean reward, on which nothing hangs here."""
        accounts = sorted(self._accounts.items())
        return tuple(one.state(arm, one.earned / one.weight if one.weight else 0.0) for arm, one in accounts)

    def _account(self, arm: Arm) -> Account:
        return self._accounts.setdefault(arm, Account())


def check_offers(offers: Sequence[Offer]) -> None:
    """Refuse what no arm can be drawn from.

    Raises:
        ValueError: nothing is offered, or something with a weight that is not above zero.
    """
    if not offers:
        raise ValueError("no arm is offered; offer at least one")
    for offer in offers:
        if not offer.weight > 0:
            raise ValueError(f"arm {offer.arm.name!r} is offered with weight {offer.weight}; leave it out instead")
