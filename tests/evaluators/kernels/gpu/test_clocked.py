"""Arithmetic of the timing: buffer sets, rounds, the cross-check of the clocks."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from evaluators.kernels.gpu import trial
from evaluators.kernels.gpu.clocked import (
    Draw,
    clocks_disagree,
    make_sets,
    plan_for,
    set_count,
)
from evaluators.kernels.gpu.match import probe
from evaluators.timing import Plan, Players

L2, MEMORY = 60 << 20, 140 << 30


@pytest.mark.parametrize(
    ("input_bytes", "sets"),
    [
        (1024, 8),  # never three caches' worth, but no more than eight
        (60 << 20, 3),
        (61 << 20, 3),
        (45 << 20, 4),
        (1 << 30, 2),  # one would do, but addresses have to change
        (20 << 30, 1),  # a quarter of the memory holds no two
        (0, 8),
    ],
)
def test_sets_hold_three_caches_within_a_quarter_of_the_memory(input_bytes: int, sets: int) -> None:
    assert set_count(input_bytes, L2, MEMORY) == sets


def test_sets_have_buffers_of_their_own() -> None:
    sets = make_sets(trial.call(10), 3, 0x33, "cpu")
    assert len({arguments.addresses["x"] for arguments in sets}) == 3
    assert all(arguments.slab.damage() is None for arguments in sets)


def test_short_calls_get_more_rounds() -> None:
    plan = Plan(fewest_rounds=10, most_rounds=40)
    assert plan_for(plan, 25e-6) is plan
    short = plan_for(plan, 6e-6)
    assert short.fewest_rounds > plan.fewest_rounds
    assert short.most_rounds > plan.most_rounds


def test_a_warm_call_may_be_slower_by_its_launch_but_not_by_hidden_work() -> None:
    assert not clocks_disagree(3e-6, 10e-6)
    assert not clocks_disagree(700e-6, 900e-6)
    assert clocks_disagree(3e-6, 60e-6)
    assert clocks_disagree(100e-6, 300e-6)


def test_a_probe_tells_the_quicker_player_and_not_the_empty_one() -> None:
    players: Players[Draw] = Players(program=lambda _: 5.0, baseline=lambda _: 7.0, empty=lambda _: 1.0)
    assert probe(players, Draw(place=0, number=0, contents={})) == 5.0
