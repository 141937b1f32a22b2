from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest

from evolve.bandit import Arm, Bandit, DiscountedBandit, Ending, FixedShares, Limits, Offer

MAKERS: dict[str, Callable[[], Bandit]] = {
    "discounted": lambda: DiscountedBandit(Limits(tokens=10_000)),
    "fixed": FixedShares,
}
ARMS = [
    Arm(proposer=proposer, operator=operator, selector=selector)
    for proposer, operator in (("llm", "rewrite"), ("llm", "repair"), ("operators", "graft"), ("operators", "numbers"))
    for selector in ("adaptive", "pareto")
]
OFFERS = [Offer(arm=arm, weight=1.0 + number) for number, arm in enumerate(ARMS)]


@pytest.fixture(params=sorted(MAKERS))
def make(request: pytest.FixtureRequest) -> Callable[[], Bandit]:
    return MAKERS[request.param]


def verdict(reward: float = 0.0, cost: float = 0.01) -> Ending:
    return Ending(reward=reward, cost=cost, seconds=2.0, tokens=30, usd=0.5, improved=reward > 0)


def play(
    bandit: Bandit,
    offers: Sequence[Offer],
    chances: Sequence[float],
    *,
    pulls: int = 300,
    width: int = 8,
    costs: Sequence[float] | None = None,
    seed: int = 0,
) -> Counter[Arm]:
    """Pull with ``width`` under way at a time; who was pulled how often."""
    rng = Random(seed)
    number = {offer.arm: index for index, offer in enumerate(offers)}
    under_way: list[Arm] = []
    count: Counter[Arm] = Counter()
    for _ in range(pulls):
        while len(under_way) < width:
            arm = bandit.choose(rng, offers)
            bandit.pulled(arm)
            count[arm] += 1
            under_way.append(arm)
        arm = under_way.pop(rng.randrange(width))
        cost = costs[number[arm]] if costs else 0.01
        won = rng.random() < chances[number[arm]]
        bandit.ended(arm, verdict(rng.uniform(0.3, 1.0) if won else 0.0, cost))
    return count


class TestConformance:
    def test_chooses_among_the_offers_only(self, make: Callable[[], Bandit]) -> None:
        bandit = make()
        for arm in ARMS:
            bandit.pulled(arm)
            bandit.ended(arm, verdict(1.0))
        for seed in range(30):
            assert bandit.choose(Random(seed), OFFERS[2:4]) in ARMS[2:4]
        assert bandit.choose(Random(0), OFFERS[5:6]) == ARMS[5]

    @pytest.mark.parametrize("weight", [0.0, -1.0, math.nan])
    def test_refuses_what_cannot_be_drawn(self, make: Callable[[], Bandit], weight: float) -> None:
        with pytest.raises(ValueError, match="no arm"):
            make().choose(Random(0), [])
        with pytest.raises(ValueError, match="llm rewrite"):
            make().choose(Random(0), [OFFERS[3], Offer(arm=ARMS[0], weight=weight)])

    def test_choosing_changes_nothing(self, make: Callable[[], Bandit]) -> None:
        bandit = make()
        play(bandit, OFFERS, [0.2] * 8, pulls=20)
        before = bandit.table()
        unseen = Offer(arm=Arm(proposer="tuner"), weight=3.0)
        chosen = [bandit.choose(Random(seed), [*OFFERS, unseen]) for seed in range(20)]
        assert bandit.table() == before
        assert chosen == [bandit.choose(Random(seed), [*OFFERS, unseen]) for seed in range(20)]

    def test_same_calls_same_state(self, make: Callable[[], Bandit]) -> None:
        first, second = make(), make()
        assert play(first, OFFERS, [0.1] * 8) == play(second, OFFERS, [0.1] * 8)
        assert first.table() == second.table()
        assert [first.choose(Random(s), OFFERS) for s in range(20)] == [
            second.choose(Random(s), OFFERS) for s in range(20)
        ]

    def test_a_replay_gives_the_state_of_the_live_run(self, make: Callable[[], Bandit]) -> None:
        """Live, drafts are pulled and refused one after the other; a replay hears of them with the candidate."""
        live, replayed = make(), make()
        for arm, refused in ((ARMS[0], [ARMS[1], ARMS[1], ARMS[2]]), (ARMS[3], []), (ARMS[1], [ARMS[0], ARMS[1]])):
            for other in refused:
                live.pulled(other)
                live.vain(other)
            live.pulled(arm)
            live.ended(arm, verdict(0.5))
            for other, count in Counter(refused).items():
                for _ in range(count):
                    replayed.pulled(other)
                replayed.vain(other, count)
            replayed.pulled(arm)
            replayed.ended(arm, verdict(0.5))
        assert live.table() == replayed.table()

    def test_accounts(self, make: Callable[[], Bandit]) -> None:
        bandit = make()
        for _ in range(5):
            bandit.pulled(ARMS[2])
        bandit.vain(ARMS[2], 2, tokens=70, usd=0.25)
        bandit.ended(ARMS[2], verdict(0.5))
        bandit.ended(ARMS[2], Ending(reward=0.0, cost=0.03, ok=False))
        (state,) = bandit.table()
        assert Arm.of(state.arm) == ARMS[2]
        assert (state.pulls, state.in_flight, state.candidates, state.ok, state.improved) == (5, 1, 2, 1, 1)
        assert (state.seconds, state.tokens, state.usd) == (2.0, 100, 0.75)
        assert state.weight == pytest.approx(2, rel=0.01)
        assert state.reward == pytest.approx(0.25, rel=0.01)

    def test_nothing_is_under_way_less_than_never(self, make: Callable[[], Bandit]) -> None:
        bandit = make()
        bandit.vain(ARMS[0], 3)
        bandit.ended(ARMS[1], verdict())
        assert [state.in_flight for state in bandit.table()] == [0, 0]

    def test_the_table_is_in_the_order_of_the_arms(self, make: Callable[[], Bandit]) -> None:
        bandit = make()
        assert bandit.table() == ()
        for arm in reversed(ARMS):
            bandit.pulled(arm)
        assert [state.arm for state in bandit.table()] == [arm.key for arm in sorted(ARMS)]

    def test_before_anything_is_known_weights_decide(self, make: Callable[[], Bandit]) -> None:
        count: Counter[Arm] = Counter()
        for seed in range(40):
            bandit = make()
            rng = Random(seed)
            for _ in range(36):
                arm = bandit.choose(rng, OFFERS)
                bandit.pulled(arm)
                count[arm] += 1
        for offer in OFFERS:
            assert count[offer.arm] / 40 == pytest.approx(offer.weight, rel=0.3, abs=0.8)

    def test_only_the_proportions_of_weights_matter(self, make: Callable[[], Bandit]) -> None:
        bandit = make()
        play(bandit, OFFERS, [0.1] * 8, pulls=40)
        scaled = [Offer(arm=offer.arm, weight=offer.weight * 1024) for offer in OFFERS]
        for seed in range(40):
            assert bandit.choose(Random(seed), OFFERS) == bandit.choose(Random(seed), scaled)


class TestDiscountedBandit:
    def test_finds_the_arm_that_earns(self) -> None:
        offers = [Offer(arm=arm) for arm in ARMS]
        shares = []
        for seed in range(20):
            chances = [0.03] * 8
            chances[seed % 8] = 0.3
            count = play(DiscountedBandit(), offers, chances, seed=seed)
            shares.append(count[ARMS[seed % 8]] / count.total())
        assert sum(shares) / len(shares) > 0.35

    def test_what_costs_less_for_the_same_reward_is_preferred(self) -> None:
        offers = [Offer(arm=Arm(proposer=name)) for name in ("cheap", "dear")]
        count = play(DiscountedBandit(), offers, [0.2, 0.2], costs=[0.001, 0.02])
        assert count[offers[0].arm] > 5 * count[offers[1].arm]

    def test_costs_matter_in_proportion_only(self) -> None:
        costs = [0.001 * (1 + number) for number in range(8)]
        chances = [0.02 * (1 + number) for number in range(8)]
        count = play(DiscountedBandit(), OFFERS, chances, costs=costs)
        assert count == play(DiscountedBandit(), OFFERS, chances, costs=[cost / 1024 for cost in costs])

    def test_pulls_under_way_spread_over_the_arms(self) -> None:
        bandit = DiscountedBandit()
        offers = [Offer(arm=arm) for arm in ARMS]
        for arm in ARMS:
            bandit.pulled(arm)
            bandit.ended(arm, verdict(0.3 if arm == ARMS[0] else 0.0))
        count: Counter[Arm] = Counter()
        for seed in range(16):
            arm = bandit.choose(Random(seed), offers)
            bandit.pulled(arm)
            count[arm] += 1
        assert len(count) >= 5
        assert max(count.values()) <= 8

    def test_never_much_worse_than_the_weights(self) -> None:
        """Arms of equal worth: whatever is pulled, none is starved."""
        count: Counter[Arm] = Counter()
        for seed in range(10):
            count += play(DiscountedBandit(), OFFERS, [0.1] * 8, pulls=100, seed=seed)
        assert min(count[offer.arm] / offer.weight for offer in OFFERS) > 5

    def test_follows_a_change(self) -> None:
        bandit = DiscountedBandit()
        offers = [Offer(arm=Arm(proposer=name)) for name in ("early", "late")]
        before = play(bandit, offers, [0.3, 0.02], pulls=300)
        after = play(bandit, offers, [0.0, 0.3], pulls=600, seed=1)
        assert before[offers[0].arm] > 150
        assert after[offers[1].arm] > 400

    def test_old_verdicts_fade_and_pulls_in_vain_fade_nothing(self) -> None:
        bandit = DiscountedBandit()
        bandit.ended(ARMS[0], verdict(1.0))
        bandit.vain(ARMS[1], 100)
        assert bandit.table()[0].weight == 1.0
        for _ in range(1000):
            bandit.ended(ARMS[1], verdict())
        states = {Arm.of(state.arm): state for state in bandit.table()}
        assert states[ARMS[0]].weight < 0.1
        assert 200 < states[ARMS[1]].weight < 400
        assert states[ARMS[0]].reward == pytest.approx(1.0)

    def test_an_arm_of_which_nothing_comes_is_left(self) -> None:
        bandit = DiscountedBandit()
        rng = Random(0)
        offers = [Offer(arm=Arm(proposer=name)) for name in ("broken", "sound")]
        count: Counter[str] = Counter()
        for _ in range(400):
            arm = bandit.choose(rng, offers)
            bandit.pulled(arm)
            count[arm.proposer] += 1
            if arm.proposer == "broken":
                bandit.vain(arm)
            else:
                bandit.ended(arm, verdict(1.0 if rng.random() < 0.1 else 0.0))
        assert count["broken"] < 150

    def test_what_fails_at_once_and_costs_next_to_nothing_does_not_crowd_out_the_others(self) -> None:
        offers = [Offer(arm=Arm(proposer=name)) for name in ("broken", "sound")]
        count = play(DiscountedBandit(), offers, [0.0, 0.1], pulls=400, costs=[1e-6, 0.01])
        assert count[offers[1].arm] > 130

    def test_tokens_wasted_by_one_arm_do_not_change_what_a_candidate_costs(self) -> None:
        bandit = DiscountedBandit(Limits(tokens=10_000))
        offers = [Offer(arm=Arm(proposer=name)) for name in ("wasteful", "sound")]
        bandit.ended(offers[0].arm, verdict(0.0))
        for _ in range(1500):
            bandit.ended(offers[1].arm, verdict(0.1))
        for _ in range(5):
            bandit.vain(offers[0].arm, tokens=9000)
        chosen = Counter(bandit.choose(Random(seed), offers) for seed in range(20))
        assert chosen == {offers[1].arm: 20}

    def test_tokens_of_pulls_in_vain_are_paid_for(self) -> None:
        costs = []
        for tokens in (0, 1000):
            bandit = DiscountedBandit(Limits(tokens=10_000))
            bandit.vain(ARMS[0], tokens=tokens)
            bandit.ended(ARMS[0], verdict(0.5, cost=0.01))
            costs.append(bandit.table()[0].cost)
        assert costs == pytest.approx([0.01, 0.11], rel=0.01)

    def test_an_unseen_arm_is_held_to_be_like_its_kin(self) -> None:
        bandit = DiscountedBandit()
        for _ in range(10):
            for arm in ARMS:
                bandit.ended(arm, verdict(0.5 if arm.proposer == "llm" else 0.0))
        new = [Arm(proposer=name, operator="new", selector="adaptive") for name in ("llm", "operators")]
        for arm in new:
            bandit.pulled(arm)
        index = {Arm.of(state.arm): state.index for state in bandit.table()}
        assert index[new[0]] > 1.3 * index[new[1]]


@pytest.mark.parametrize(("reward", "cost"), [(-0.1, 0.1), (1.1, 0.1), (math.nan, 0.1), (0.5, 0.0), (0.5, math.nan)])
def test_an_ending_that_cannot_be(reward: float, cost: float) -> None:
    with pytest.raises(ValueError, match="of a pull must be"):
        Ending(reward=reward, cost=cost)
