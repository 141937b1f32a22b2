"""Programs written to exhaust the time, the memory or the stack of whoever looks at them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from random import Random

import pytest

from evolve.proposal import Context, Material, ProposalError, Selection
from evolve.proposers.operators import OPERATORS, Operators
from evolve.proposers.operators.cuts import cuts
from evolve.proposers.operators.dataflow import Flow
from evolve.proposers.operators.graft import graft
from evolve.proposers.operators.kinds import Kinds
from evolve.proposers.operators.numerics import LONGEST_NAME, MOST_DIMENSIONS
from evolve.proposers.operators.source import MOST_NODES, Program
from evolve.proposers.operators.task import Task
from evolve.simplify import Simplifier

HEAD = "import numpy as np\n\n\n"
LARGE = HEAD + "def plan(load):\n    x = load * 0.5\n" + "    x = x + 1.0\n" * (MOST_NODES // 8 + 1) + "    return x\n"


def chain(length: int, depth: int) -> str:
    calls = [f"def f{k}(x):\n    return {'-' * depth}f{k + 1}(x)\n\n\n" for k in range(length)]
    return HEAD + "".join(calls) + f"def f{length}(x):\n    return x\n\n\ndef plan(load):\n    return f0(load)\n"


@pytest.mark.parametrize(
    "source",
    [
        HEAD + "def plan(n):\n" + "    y = np.zeros((n, n))\n    n = y.ravel().shape[0]\n" * 40 + "    return y\n",
        HEAD + "def plan(n):\n    x = np.zeros((2, 2), dtype=int)\n" + "    x = x[x]\n" * 40 + "    return x\n",
        chain(14, 90),
        HEAD + "def plan(x):\n    return np.sum(np.zeros((2, 2)), axis={[]: 1})\n",
        HEAD + f"def plan(x):\n    return x * {2**1024 - 1}\n",
    ],
    ids=["names", "dimensions", "calls", "axis", "integer"],
)
def test_kinds_stay_small(source: str) -> None:
    program = Program(source)
    kinds = Kinds(program, "plan")
    for node in ast.walk(program.tree):
        if isinstance(node, ast.expr):
            kind = kinds.of(node)
            assert len(kind.symbol) <= LONGEST_NAME
            assert len(kind.shape or ()) <= MOST_DIMENSIONS
            assert all(len(name) <= LONGEST_NAME for name in kind.shape or ())


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_a_large_parent_is_refused_and_a_large_donor_left_out(
    operator: str, plain: Material, make_context: Callable[..., Context]
) -> None:
    large = Material(number=7, source=LARGE, title="large")
    assert Program(LARGE).is_large
    assert not Program(plain.source).is_large
    with pytest.raises(ProposalError, match=f"candidate 7 has more than {MOST_NODES} syntax nodes"):
        Operators().propose(Selection(parent=large), make_context(Random(0), plain), operator=operator)
    try:
        made = Operators().propose(
            Selection(parent=plain, inspirations=(large,)), make_context(Random(0)), operator=operator
        )
    except ProposalError:
        return
    assert 7 not in made.parents


def test_the_simplifier_leaves_a_large_program_alone() -> None:
    assert Simplifier(LARGE, "plan", lambda _: None).next() is None
    assert Simplifier(LARGE.replace("    x = x + 1.0\n", "", 300), "plan", lambda _: None).next() is not None


def test_a_graft_stands_where_what_it_reads_is_bound_and_what_it_sets_is_read() -> None:
    parent = Program("def plan(a):\n    b = a + 1\n    c = b * 2\n    b = 0\n    return c + b\n")
    donor = Material(number=2, source="def plan(a):\n    b = b / 3\n    return b\n", title="donor")
    task = {"parent": parent, "donors": [donor], "entry": "plan", "optional_parameters": frozenset()}
    found = set()
    for seed in range(40):
        try:
            found.add(graft(Task(rng=Random(seed), **task)).source)
        except ProposalError:
            continue
    lines = parent.source.splitlines(keepends=True)
    assert found == {"".join([*lines[:at], "    b = b / 3\n", *lines[at:]]) for at in (2, 4)}


def test_what_is_remembered_of_a_tree_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = ast.parse("f(" + ",".join("a" * 200) + ")")
    monkeypatch.setattr("evolve.proposers.operators.dataflow._MOST_BYTES", 20_000)
    flow = Flow()
    for node in ast.walk(tree):
        assert flow.dump(node) == ast.dump(node)
    assert len(flow._known) < 100


GUARDED = HEAD + (
    "EPS = 1e-9\n\n\ndef plan(load, budget):\n    low = -1.0\n    total = load.sum()\n    if total > budget * 2:\n"
    "        return np.zeros(4)\n    if not np.isfinite(load).all():\n        load = load * 2\n    try:\n"
    "        share = load / np.maximum(total, EPS)\n    except ValueError:\n        share = load\n"
    "    share = np.clip(share, low, None)\n    for each in share:\n        if total == 0:\n"
    "            total = each + 1\n        total = max(total, 1e-3)\n        if each > total:\n            continue\n"
    "        share = share + each\n"
    "    share = np.where(total > 0, share * 2, share)\n    return share * budget\n"
)


def test_precautions_are_not_cut() -> None:
    program = Program(GUARDED)
    # Each with what it stands in: where that goes as a whole, it may go too.
    kept = {
        "if total > budget * 2:": "",
        "if not np.isfinite(load).all():": "",
        "try:": "",
        "np.maximum(total, EPS)": "load / ",
        "np.clip(share, low, None)": "",
        "if total == 0:": "for each",
        "max(total, 1e-3)": "for each",
        "if each > total:": "for each",
        "np.where(total > 0": "share = np.where",
    }
    left = [program.edited(cut.edits) for cut in cuts(program, "plan")]
    assert len(left) >= 5
    for part, around in kept.items():
        assert all(part in text or (around and around not in text) for text in left), part
