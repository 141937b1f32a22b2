"""Kernels judged without a GPU: compiled for one, tried in the interpreter, right or wrong and never a score."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest

from evaluators.arena import make_arena
from evaluators.block import Block
from evaluators.judge import Judge
from evaluators.model import Evaluation, Outcome, Split
from evaluators.problem import seed_named
from evaluators.registry import load_problem

pytest.importorskip("triton", reason="kernels need the extra 'kernels'")

NAMES = ("topk_gating", "moe_combine")


@pytest.fixture(scope="module", params=NAMES)
def court(request: pytest.FixtureRequest) -> Iterator[tuple[Judge, Block, str]]:
    problem = load_problem(request.param)
    judge = Judge(problem, secret=bytes(range(32)), clock=time.perf_counter, arena=partial(make_arena, device="cpu"))
    yield judge, judge.block(Split.TRAIN, 0, first=1), seed_named(problem, "decent").source
    judge.close()


def verdict(court: tuple[Judge, Block, str], source: str) -> Evaluation:
    judge, block, _ = court
    return judge.evaluate(source, block)


def test_a_right_kernel_is_correct_and_has_no_score(court: tuple[Judge, Block, str]) -> None:
    found = verdict(court, court[2])
    assert (found.outcome, found.score) == (Outcome.CORRECT, None), found.reason
    assert "speed" in found.reason
    assert "bf16" in found.reason
    assert "rows" in found.reason
    assert found.metrics["registers"] > 0
    assert found.metrics["launches"] >= 1
    assert "time_us" not in found.metrics
    assert found.host["device"] == "cpu"


def test_a_kernel_that_stores_nothing_is_wrong(court: tuple[Judge, Block, str]) -> None:
    found = verdict(court, silenced(court[2]))
    assert found.outcome is Outcome.WRONG, found.reason


def silenced(source: str) -> str:
    """The same program, but no store ever happens."""
    return source.replace("tl.store(", "_silent(") + (
        "\n\n@triton.jit\ndef _silent(pointer, value, mask=None):\n    pass\n"
    )


def test_a_kernel_that_does_not_compile_says_where(court: tuple[Judge, Block, str]) -> None:
    lines = court[2].split("\n")
    at = next(number for number, line in enumerate(lines) if "tl.load(" in line)
    indent = len(lines[at]) - len(lines[at].lstrip())
    lines.insert(at, " " * indent + "broken = tl.zeros([3], tl.float32)")
    found = verdict(court, "\n".join(lines))
    assert found.outcome is Outcome.CRASHED
    assert f"line {at + 1}" in found.reason
