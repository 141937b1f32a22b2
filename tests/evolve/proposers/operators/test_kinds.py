from __future__ import annotations

import ast
from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from evolve.proposal import Context, Material, Selection
from evolve.proposers.operators import Operators
from evolve.proposers.operators.kinds import kinds_of
from evolve.proposers.operators.numerics import Kind, arithmetic, broadcast
from evolve.proposers.operators.source import Program

BODY = """
import numpy as np

SHARE = 0.5


def helper(load, num_slots: int):
    layers, experts = load.shape
    rows = np.arange(layers)
    counts = np.ones((layers, experts), dtype=np.int64)
    per_copy = load / counts
    order = np.argsort(-per_copy, axis=1)
    ranked = np.take_along_axis(per_copy, order, axis=1)
    peak = ranked.max(axis=1)
    wide = ranked.sum(axis=1, keepdims=True)
    best = np.argmax(per_copy, axis=1)
    chosen = per_copy[rows, best]
    hot = per_copy > SHARE * peak[:, None]
    first = per_copy[0]
    mixed = np.where(hot, per_copy, 0.0)
    flat = per_copy.reshape(layers, -1)
    for row in range(layers):
        total = float(peak[row])
    return counts


def plan(history, previous, num_slots):
    load = history.mean(axis=0).astype(np.float64)
    return helper(load, num_slots)
"""
GRID = ("layers", "experts")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rows", Kind("int", ("layers",))),
        ("counts", Kind("int", GRID)),
        ("per_copy", Kind("float", GRID)),
        ("order", Kind("int", GRID)),
        ("ranked", Kind("float", GRID)),
        ("peak", Kind("float", ("layers",))),
        ("wide", Kind("float", ("layers", "1"))),
        ("best", Kind("int", ("layers",))),
        ("chosen", Kind("float", ("layers",))),
        ("hot", Kind("bool", GRID)),
        ("first", Kind("float", ("experts",))),
        ("mixed", Kind("float", GRID)),
        ("row", Kind("int", ())),
        ("total", Kind("float", ())),
    ],
)
def test_kinds_follow_calls_indices_and_axes(name: str, kind: Kind) -> None:
    found = kinds_of(Program(BODY), "plan").of_name("helper", name)
    assert (found.dtype, found.shape) == (kind.dtype, kind.shape)


def test_an_element_type_travels_along_calls() -> None:
    kinds = kinds_of(Program(BODY), "plan")
    assert kinds.of_name("helper", "load").dtype == "float"
    assert kinds.returned("helper") == Kind("int", GRID)


def test_nothing_is_claimed_where_nothing_is_known() -> None:
    kinds = kinds_of(Program("def plan(a, b):\n    c = a @ b\n    d = a.frob()\n    return c[d]\n"), "plan")
    assert [kinds.of_name("plan", name).dtype for name in "abcd"] == ["", "", "", ""]


@pytest.mark.parametrize(
    ("first", "second"), [((3, 4), (4,)), ((3, 1), (3, 4)), ((), (2,)), ((3, 4), (3, 4)), ((1, 4), (3, 1))]
)
def test_broadcast_agrees_with_numpy(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    merged = broadcast(Kind("float", tuple(map(str, first))), Kind("float", tuple(map(str, second))))
    assert merged == tuple(map(str, np.broadcast_shapes(first, second)))


def test_sizes_that_differ_do_not_broadcast() -> None:
    assert broadcast(Kind("float", ("a", "b")), Kind("float", ("a", "c"))) is None


@pytest.mark.parametrize("text", ["a + b", "a - b", "a * b", "a / b", "a // b", "a % b"])
@pytest.mark.parametrize("types", [("float", "int"), ("int", "int"), ("float", "float")])
def test_arithmetic_agrees_with_numpy(text: str, types: tuple[str, str]) -> None:
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.BinOp)
    values = [np.ones(2, dtype={"float": np.float64, "int": np.int64}[each]) for each in types]
    result = eval(text, {"a": values[0], "b": values[1]})
    expected = "float" if result.dtype.kind == "f" else "int"
    assert arithmetic(node.op, Kind(types[0], ("n",)), Kind(types[1], ("n",))).dtype == expected


def test_typed_changes_leave_integers_alone(make_context: Callable[..., Context]) -> None:
    parent = Material(number=0, source=BODY, title="typed")
    operators = Operators(stack_share=0.0)
    kinds = set()
    for seed in range(120):
        made = operators.propose(Selection(parent=parent), make_context(Random(seed), parent), operator="mutate")
        kinds.add(made.operator)
        if made.operator in ("mutate:mix", "mutate:key", "mutate:weigh", "mutate:threshold", "mutate:clip"):
            space: dict[str, object] = {}
            exec(compile(made.source, "candidate", "exec"), space)
            history = np.random.default_rng(0).gamma(1.0, 5.0, (4, 3, 8))
            counts = space["plan"](history, None, 12)  # type: ignore[operator]
            assert counts.shape == (3, 8)
    assert kinds >= {"mutate:mix", "mutate:threshold", "mutate:clip"}
