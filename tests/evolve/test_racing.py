from __future__ import annotations

import numpy as np
import pytest

from evaluators.model import Evaluation, Outcome, Split, WorkloadResult
from evolve.racing import KINDS_KEPT, Racing

NATURAL = ("a/0", "a/1", "b/0", "c/0", "b/1", "d/0", "c/1", "d/1")


def verdict(
    shares: list[float] | np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    names: tuple[str, ...] = NATURAL,
    *,
    split: Split = Split.TRAIN,
    stopped: bool = False,
) -> Evaluation:
    """A verdict on a block whose workloads are called KIND/DRAW."""
    results = tuple(
        WorkloadResult(
            name=name, stratum=name.split("/")[0], objective=0, baseline=0, reference=1, ceiling=1, share=float(share)
        )
        for name, share in zip(names, shares, strict=True)
    )
    if stopped:
        return Evaluation(
            problem="p", split=split, block=0, digest="d", outcome=Outcome.STOPPED, reason="r", workloads=results
        )
    return Evaluation(
        problem="p",
        split=split,
        block=0,
        digest="d",
        outcome=Outcome.OK,
        score=0.0,
        stderr=0.0,
        low=0.0,
        high=0.0,
        workloads=results,
    )


def names_of(order: tuple[int, ...], names: tuple[str, ...] = NATURAL) -> list[str]:
    assert sorted(order) == list(range(len(names)))
    return [names[position] for position in order]


FLAT = [0.0] * 8


def test_at_first_one_of_each_kind_as_they_come() -> None:
    assert names_of(Racing().order(verdict(FLAT))) == ["a/0", "b/0", "c/0", "d/0", "a/1", "b/1", "c/1", "d/1"]


def test_kinds_that_foretell_the_whole_block_come_first() -> None:
    """The leads on a and b are mostly luck, those on c and d are the lead on the whole and little more."""
    racing, rng = Racing(), np.random.default_rng(0)
    luck = np.array([8.0 if name[0] in "ab" else 0.5 for name in NATURAL])
    for _ in range(40):
        racing.learn(verdict(rng.normal() * 5 + luck * rng.normal(size=8)), None)
    assert {name[0] for name in names_of(racing.order(verdict(FLAT)))[:2]} == {"c", "d"}
    fresh = ("x/0", "b/0", "c/0", "d/0")
    assert names_of(racing.order(verdict([0.0] * 4, fresh)), fresh)[0] in ("c/0", "d/0"), "a new block profits"


def test_kinds_that_err_alike_do_not_follow_each_other() -> None:
    """a and b always lie on one side of the whole, c and d on the other: two of one side tell little more than one."""
    racing, rng = Racing(), np.random.default_rng(1)
    side = np.array([1.0 if name[0] in "ab" else -1.0 for name in NATURAL])
    for _ in range(40):
        racing.learn(verdict(3 + 5 * rng.normal() * side + 0.1 * rng.normal(size=8)), None)
    sides = ["ab" if name[0] in "ab" else "cd" for name in names_of(racing.order(verdict(FLAT)))]
    assert all(set(sides[place : place + 2]) == {"ab", "cd"} for place in range(0, 8, 2))


def test_leads_count_and_not_shares() -> None:
    """What a parent and its child have in common says nothing of what tells them apart."""
    rng = np.random.default_rng(2)
    ours, theirs = Racing(), Racing()
    for _ in range(20):
        common, leads = 50 * rng.normal(size=8), np.round(rng.normal(size=8), 3)
        ours.learn(verdict(common + leads), verdict(common))
        theirs.learn(verdict(leads), None)
    assert ours.order(verdict(FLAT)) == theirs.order(verdict(FLAT))


def test_what_is_not_on_a_whole_train_block_or_leads_alike_everywhere_teaches_nothing() -> None:
    racing = Racing()
    natural = racing.order(verdict(FLAT))
    odd = [9.0, -9.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0]
    for _ in range(50):
        racing.learn(verdict(odd, split=Split.VALIDATION), None)
        racing.learn(verdict(odd[:4], NATURAL[:4], stopped=True), verdict(FLAT))
        racing.learn(verdict(FLAT), None)
        racing.learn(verdict([7.1] * 8), None)
        racing.learn(verdict([0.1 + 0.2] * 8), verdict([0.3] * 8))
    assert racing.order(verdict(FLAT)) == natural
    racing.learn(verdict(odd), None)
    assert racing.order(verdict(FLAT)) != natural


def test_the_same_words_give_the_same_orders() -> None:
    rng = np.random.default_rng(3)
    words = [verdict(rng.normal(size=8)) for _ in range(30)]
    first, again = Racing(), Racing()
    for word in words:
        first.learn(word, words[0])
        again.learn(word, words[0])
        assert first.order(word) == again.order(word)


@pytest.mark.parametrize("count", [1, 2 * KINDS_KEPT])
def test_any_number_of_kinds_is_ordered_and_memory_is_bounded(count: int) -> None:
    racing, rng = Racing(), np.random.default_rng(4)
    names = tuple(f"{place}/{draw}" for draw in range(2) for place in range(count))
    for start in range(3):
        racing.learn(verdict(rng.normal(size=2 * count), tuple(f"{start}{name}" for name in names)), None)
        racing.learn(verdict(rng.normal(size=2 * count), names), None)
    order = names_of(racing.order(verdict([0.0] * len(names), names)), names)
    if count > KINDS_KEPT:
        assert len({name.split("/")[0] for name in order[:KINDS_KEPT]}) > KINDS_KEPT // 2
