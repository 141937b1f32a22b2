"""Of Triton modules operators change how the work is done, and numbers only where a mark allows it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from random import Random

import pytest

from evaluators.registry import load_problem
from evaluators.screen import screen_by
from evolve.proposal import Context, Material, Proposal, ProposalError, Selection
from evolve.proposers.operators import Operators
from evolve.proposers.operators.schedule import is_kernel
from evolve.proposers.operators.source import Program

MakeContext = Callable[..., Context]

KERNEL = '''"""Adds rows up."""

import torch
import triton
import triton.language as tl

BLOCK = 64  # tune: choice 32 64 128


@triton.jit
def _add(x, y, n, ROWS: tl.constexpr, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for j in range(ROWS):
        total += tl.load(x + j * n + at, mask=at < n, other=0.0)
    tl.store(y + at, total * 0.5, mask=at < n, eviction_policy="evict_first")


def add(x):
    rows, n = x.shape
    y = x.new_empty((n,))
    _add[(triton.cdiv(n, BLOCK),)](
        x,
        y,
        n,
        ROWS=rows,
        BLOCK=BLOCK,
        num_warps=4,
    )
    return y
'''


def made(make_context: MakeContext, source: str, operator: str, count: int = 60) -> list[Proposal]:
    parent = Material(number=0, source=source, title="parent")
    operators = Operators(stack_share=0.0)
    found = []
    for seed in range(count):
        try:
            found.append(operators.propose(Selection(parent=parent), make_context(Random(seed)), operator=operator))
        except ProposalError:
            continue
    return found


@pytest.fixture
def kernel_context(make_context: MakeContext) -> MakeContext:
    from dataclasses import replace

    def make(rng: Random, *seeds: Material) -> Context:
        context = make_context(rng, *seeds)
        return replace(context, entry="add", parameters=("x",), allowed_imports=frozenset({"torch", "triton"}))

    return make


def test_mutations_leave_the_arithmetic_alone(kernel_context: MakeContext) -> None:
    found = made(kernel_context, KERNEL, "mutate", 150)
    assert {proposal.operator for proposal in found} == {"mutate:hint", "mutate:launch", "mutate:loop"}
    changes = ("eviction_policy", "cache_modifier", "num_warps", "num_stages", "static_range", "tl.range")
    for proposal in found:
        assert any(change in proposal.note for change in changes)
        assert bare(proposal.source) == bare(KERNEL)
    texts = "".join(proposal.source for proposal in found)
    for wanted in (
        'eviction_policy="evict_last"',
        'eviction_policy=""',
        'cache_modifier=".cg"',
        "num_warps=8",
        "num_warps=4, num_stages=2,",
        "tl.static_range(ROWS)",
        "tl.range(ROWS, num_stages=3)",
    ):
        assert wanted in texts, wanted


def bare(source: str) -> str:
    """A program's tree without what a schedule may change."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            free = {"eviction_policy", "cache_modifier", "num_warps", "num_stages"}
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in free]
            if ast.unparse(node.func) in {"tl.range", "tl.static_range"}:
                node.func = ast.Name(id="range", ctx=ast.Load())
    return ast.dump(tree)


def test_a_load_is_given_one_hint_at_a_time(kernel_context: MakeContext) -> None:
    for proposal in made(kernel_context, KERNEL, "mutate", 150):
        for node in ast.walk(ast.parse(proposal.source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"tl.load", "tl.store"}:
                told = [keyword.arg for keyword in node.keywords if ast.unparse(keyword.value) not in {"''", "0.0"}]
                assert len({"eviction_policy", "cache_modifier"}.intersection(told)) <= 1


def test_nothing_is_grafted_into_a_kernel(kernel_context: MakeContext) -> None:
    parent, other = (Material(number=n, source=KERNEL.replace("0.5", f"0.{n + 5}"), title=str(n)) for n in range(2))
    with pytest.raises(ProposalError, match="graft does not apply"):
        Operators().propose(
            Selection(parent=parent, inspirations=(other,)), kernel_context(Random(0)), operator="graft"
        )


def test_an_unrolled_loop_can_be_rolled_up(kernel_context: MakeContext) -> None:
    unrolled = KERNEL.replace("in range(ROWS)", "in tl.static_range(ROWS)")
    found = [p.source for p in made(kernel_context, unrolled, "mutate") if p.operator == "mutate:loop"]
    assert found
    assert set(found) == {KERNEL}


def test_marked_constants_alone_are_changed(kernel_context: MakeContext) -> None:
    found = made(kernel_context, KERNEL, "constant")
    assert {proposal.source for proposal in found} == {KERNEL.replace("BLOCK = 64", f"BLOCK = {n}") for n in (32, 128)}


def test_other_programs_are_no_kernels(plain: Material, make_context: MakeContext) -> None:
    assert is_kernel(Program(KERNEL))
    assert not is_kernel(Program(plain.source))
    assert not any(
        p.operator.startswith(("mutate:hint", "mutate:loop")) for p in made(make_context, plain.source, "mutate")
    )


@pytest.mark.parametrize("name", ["topk_gating", "moe_combine"])
def test_what_becomes_of_our_seeds_passes_the_screen_of_kernels(name: str) -> None:
    pytest.importorskip("torch")
    problem = load_problem(name)
    facts = problem.declaration
    seeds = [Material(number=n, source=seed.source, title=seed.name) for n, seed in enumerate(problem.seeds)]
    operators = Operators(stack_share=0.3)
    for number in range(40):
        context = Context(
            statement="",
            entry=facts.entry,
            parameters=facts.parameters,
            optional_parameters=facts.optional_parameters,
            allowed_imports=facts.allowed_imports,
            seeds=seeds,
            rng=Random(number),
        )
        for operator in ("mutate", "constant"):
            found = operators.propose(Selection(parent=seeds[number % 2]), context, operator=operator)
            if found.operator.split("+")[-1].startswith(("mutate", "constant")):
                assert screen_by(facts, found.source) is None, found.operator
