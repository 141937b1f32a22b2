from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from evaluators.block import Block, Standard
from evaluators.model import EvaluatorError, Split, WorkloadResult
from evaluators.racing import FALSE_STOPS, look_level, raced_out


@dataclass(frozen=True)
class Named:
    name: str
    stratum: str = ""


def block_of(spans: Sequence[float]) -> Block:
    return Block(
        split=Split.TRAIN,
        number=3,
        standards=tuple(
            Standard(workload=Named(name=str(place)), baseline=(0.0,), reference=span, ceiling=100.0)
            for place, span in enumerate(spans)
        ),
    )


def stopped_after(
    leads: Sequence[float], *, spans: Sequence[float] = (), first: int = 4, order: Sequence[int] | None = None
) -> int:
    """How many workloads a program meets that leads its rival by so much on each."""
    spans = spans or [1.0] * len(leads)
    block, met, results = block_of(spans), [], []
    rival = [float(10 * place) for place in range(len(leads))]
    for place in block.order(order):
        met.append(place)
        share = rival[place] + leads[place]
        results.append(
            WorkloadResult(name=str(place), objective=0, baseline=0, reference=spans[place], ceiling=9, share=share)
        )
        if raced_out(block, met, results, rival, first=first):
            break
    return len(results)


@pytest.mark.parametrize(("first", "total"), [(2, 24), (4, 16)])
def test_a_candidate_that_is_better_is_seldom_stopped_by_all_looks_together(first: int, total: int) -> None:
    """Better by just what is worth finishing, which is the hardest case; with 2.5 % at each look it is 9 to 13 %."""
    leads = 0.25 + np.random.default_rng(first * total).standard_normal((400, total))
    wrong = sum(stopped_after(row.tolist(), first=first) < total for row in leads)
    assert wrong <= 400 * FALSE_STOPS + 2 * (400 * FALSE_STOPS) ** 0.5


def test_a_hopeless_candidate_is_stopped_at_the_first_look() -> None:
    assert stopped_after([-20.0, -22.0, -19.0, -21.0] * 4) == 4
    assert stopped_after([-20.0, -22.0, -19.0, -21.0] * 4, order=range(15, -1, -1)) == 4


def test_a_candidate_that_behaves_alike_is_stopped_at_the_first_look() -> None:
    assert stopped_after([0.0] * 8) == 4
    assert stopped_after([0.0] * 8, first=1) == 2
    assert stopped_after([0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0], order=[4, 0, 1, 2, 3, 5, 6, 7]) == 8


def test_small_workloads_do_not_speak_for_large_ones() -> None:
    """Leads in proportion to the span: +40 on average, but on the small ones next to nothing."""
    spans = [0.01] * 6 + [1.0] * 2
    leads = [0.10, 0.12, 0.11, 0.09, 0.12, 0.10, 200.0, 120.0]
    assert stopped_after(leads, spans=spans) == 8
    assert stopped_after(leads) == 4, "where all are of one size they do"


def test_workloads_on_which_the_reference_is_no_better_prove_nothing() -> None:
    assert stopped_after([-5.0, -5.1, -5.0, -4.9, -5.0, -5.0], spans=[-0.5, 0.1, 0.1, 0.2, 0.1, 3.0]) == 6


def test_one_look_is_a_plain_interval_and_more_of_them_are_stricter() -> None:
    levels = [look_level(4, total) for total in (5, 8, 16, 24, 96)]
    assert levels[0] == 0.025
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == len(levels)


@pytest.mark.parametrize("order", [(0, 1), (0, 1, 1), (0, 1, 3), (-1, 0, 1), (0, 1, 2, 3)])
def test_an_order_holds_each_position_once(order: tuple[int, ...]) -> None:
    with pytest.raises(EvaluatorError, match=r"train block 3: .*each position from 0 to 2 once, not \["):
        block_of([1.0, 1.0, 1.0]).order(order)


def test_a_rival_has_met_the_whole_block() -> None:
    block = block_of([1.0, 1.0, 1.0])
    block.check_rival(None)
    block.check_rival((1.0, 2.0, 3.0))
    with pytest.raises(EvaluatorError, match=r"train block 3: .*all of its 3 workloads, but this one has 2 shares"):
        block.check_rival((1.0, 2.0))
