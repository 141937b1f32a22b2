"""Changes single expressions: operators, reductions, names, bounds, and the shape of a numeric value."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from evolve.proposal import ProposalError
from evolve.proposers.operators.dataflow import looks_float, reads
from evolve.proposers.operators.kinds import Kinds
from evolve.proposers.operators.numerics import FLOAT
from evolve.proposers.operators.schedule import hinted, is_kernel, launched, looped
from evolve.proposers.operators.source import Edit, Program
from evolve.proposers.operators.statements import delete_statement, duplicate_statement, swap_statements
from evolve.proposers.operators.task import Change, Operator, Option, Task, draw, one_line
from evolve.proposers.operators.typed import alike, clipped, expressions, key, masked, mixed, threshold, weighed

_COMPARISONS: Mapping[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">")),
    ast.LtE: ("<=", ("<", ">=")),
    ast.Gt: (">", (">=", "<")),
    ast.GtE: (">=", (">", "<=")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
}
_ARITHMETIC: Mapping[type[ast.operator], tuple[str, str, float]] = {
    ast.Add: ("+", "-", 1.0),
    ast.Sub: ("-", "+", 1.0),
    ast.Mult: ("*", "/", 0.6),
    ast.Div: ("/", "*", 0.6),
}
_REDUCTIONS = ("mean", "max", "min", "median")
_METHODS = ("mean", "max", "min")
_PAIRS = {
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
    "floor": "ceil",
    "ceil": "floor",
}
_RISKY = 0.03
_MOST_OPTIONS = 20_000
_RARE_PAIRS = frozenset({"argmin", "argmax", "floor", "ceil"})


def mutate(task: Task) -> Change:
    """Draw a kind of mutation, then a place for it; of a Triton kernel only how it does its work is changed."""
    kinds = dict(_KERNEL_KINDS if is_kernel(task.parent) else _KINDS)
    while kinds:
        kind = task.rng.choices(list(kinds), list(kinds.values()))[0]
        try:
            return kind(task)
        except ProposalError:
            del kinds[kind]
    raise ProposalError("nothing to mutate")


def _from_options(kind: str, find: Callable[[Program, Kinds], Iterator[Option]]) -> Operator:
    def operator(task: Task) -> Change:
        options = list(islice(find(task.parent, task.kinds), _MOST_OPTIONS))
        chosen = draw(task.rng, options, f"place for {kind}")
        source = task.parent.edited(chosen.edits)
        return Change(source=source, operator=f"mutate:{kind}", note=chosen.note, may_orphan=kind == "name")

    return operator


def _token_option(
    program: Program,
    function: ast.FunctionDef,
    sides: tuple[ast.expr, ast.expr],
    tokens: tuple[str, str],
    weight: float,
) -> Iterator[Option]:
    """Replace the operator between two operands, if nothing but white space stands beside it."""
    left, right = sides
    start, end = program.span(left)[1], program.span(right)[0]
    between = program.slice(start, end)
    old, new = tokens
    if between.strip() == old:
        edit = Edit(start=start, end=end, text=between.replace(old, new))
        place = program.slice(program.span(left)[0], program.span(right)[1])
        note = f"in {function.name}: {old} -> {new} in {one_line(place)}"
        yield Option(weight=weight, edits=(edit,), note=note)


def _comparison(program: Program, kinds: Kinds) -> Iterator[Option]:
    for function, node in expressions(program):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            old, news = _COMPARISONS[type(node.ops[0])]
            sides = (node.left, node.comparators[0])
            # Comparing counts and sizes keeps a program inside its arrays.
            weight = 1.0 if FLOAT in (kinds.of(sides[0]).dtype, kinds.of(sides[1]).dtype) else _RISKY
            for new in news:
                yield from _token_option(program, function, sides, (old, new), weight)


def _arithmetic(program: Program, kinds: Kinds) -> Iterator[Option]:
    for function, node in expressions(program):
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            old, new, weight = _ARITHMETIC[type(node.op)]
            if kinds.of(node).dtype != FLOAT:
                weight *= _RISKY
            yield from _token_option(program, function, (node.left, node.right), (old, new), weight)


def _reduction(program: Program, kinds: Kinds) -> Iterator[Option]:
    del kinds
    numpy = program.module_alias("numpy")
    for function, node in expressions(program):
        if not isinstance(node, ast.Call):
            continue
        name, weight = "", 1.0
        others: tuple[str, ...] = ()
        match node.func:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module == numpy:
                others = (_PAIRS[name],) if name in _PAIRS else _REDUCTIONS if name in _REDUCTIONS else ()
                weight = 0.2 if name in _RARE_PAIRS else 1.0
            case ast.Attribute(attr=name):
                others = _METHODS if name in _METHODS else ()
            case ast.Name(id=name):
                others = {"min": ("max",), "max": ("min",)}.get(name, ())
        _, end = program.span(node.func)
        for other in others:
            if other != name:
                edit = Edit(start=end - len(name), end=end, text=other)
                note = f"in {function.name}: {name} -> {other} in {one_line(program.text(node))}"
                yield Option(weight=weight, edits=(edit,), note=note)


def _name(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Read another name that holds a floating-point value of the same kind."""
    for function, node in expressions(program):
        if not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
            continue
        kind = kinds.of(node)
        if kind.dtype == FLOAT:
            for other, sure in alike(program, kinds, function, node, kind):
                note = f"in {function.name}, line {node.lineno}: {node.id} -> {other}"
                yield Option(weight=sure, edits=(program.replace(node, other),), note=note)


def _last_window(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Turn the last element of an array parameter into the mean of the last few."""
    del kinds
    for function, node in expressions(program):
        match node:
            case ast.Subscript(
                value=ast.Name(id=name),
                slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)),
                ctx=ast.Load(),
            ) if name in {argument.arg for argument in function.args.args}:
                for count in (2, 3, 4, 6, 8, 12, 16):
                    text = f"{name}[-{count}:].mean(axis=0)"
                    note = f"in {function.name}: {name}[-1] -> {text}"
                    yield Option(weight=1.0, edits=(program.replace(node, text),), note=note)


def _values(program: Program, kinds: Kinds) -> Iterator[tuple[ast.FunctionDef, ast.stmt, ast.expr]]:
    """Yield what is assigned to a name or returned, where it looks like floating-point numbers."""
    for function in program.functions.values():
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name()], value=value) | ast.Return(value=ast.expr() as value):
                    kind = kinds.of(value)
                    known = kind.dtype == FLOAT and kind.shape != ()
                    if known or (not kind.dtype and looks_float(value, function, program.flow)):
                        yield function, node, value


def _reshape_value(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Raise to a power, scale, or lift by the spread: how strongly large values count."""
    numpy = program.module_alias("numpy")
    for function, node, value in _values(program, kinds):
        old = program.text(value)
        # What a function returns is seen by others; inside, the order of values is often all that matters.
        weight = 1.0 if isinstance(node, ast.Return) else 0.4
        forms = [f"({old}) ** {power}" for power in (0.8, 0.9, 1.1, 1.25)]
        if numpy is not None:
            forms += [f"({old}) + {share} * {numpy}.mean({old})" for share in (0.05, 0.2)]
            forms += [f"{numpy}.maximum({old}, {share} * {numpy}.mean({old}))" for share in (0.1, 0.3)]
            forms += [f"{numpy}.sqrt({old})"]
        for form in forms:
            note = f"in {function.name}: {one_line(old, 30)} -> {one_line(form)}"
            yield Option(weight=weight, edits=(program.replace(value, form),), note=note)


def _spread_over_first_axis(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Add what a function's only argument says along its first axis: its spread, its trend, its peak.

    Fits a function that reduces an array over that axis, such as a forecast from a history of windows.
    """
    numpy = program.module_alias("numpy")
    for function, node, value in _values(program, kinds):
        arguments = [argument.arg for argument in function.args.args]
        if numpy is None or len(arguments) != 1 or not isinstance(node, ast.Return):
            continue
        name, old = arguments[0], program.text(value)
        forms = [f"({old}) + {share} * {numpy}.std({name}, axis=0)" for share in (0.1, 0.3, 0.6)]
        forms += [f"({old}) + {share} * ({name}[-1] - {name}.mean(axis=0))" for share in (0.2, 0.5)]
        forms += [f"(1 - {share}) * ({old}) + {share} * {name}.max(axis=0)" for share in (0.1, 0.3)]
        forms += [f"(1 - {share}) * ({old}) + {share} * {name}.mean(axis=0)" for share in (0.2, 0.5)]
        for form in forms:
            note = f"in {function.name}: {one_line(old, 30)} -> {one_line(form)}"
            yield Option(weight=1.0, edits=(program.replace(value, form),), note=note)


def _rounds(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Run a counted loop whose counter is not used half or twice as often."""
    del kinds
    for function in program.functions.values():
        for node in ast.walk(function):
            match node:
                case ast.For(target=ast.Name(id=counter), iter=ast.Call(func=ast.Name(id="range"), args=[count])):
                    # A count worked out from sizes is how many things there are, not how hard to try.
                    tunable = isinstance(count, ast.Constant) or (isinstance(count, ast.Name) and count.id.isupper())
                    if not tunable or any(counter in reads(statement) for statement in node.body):
                        continue
                    old = program.text(count)
                    for new in (f"2 * ({old})", f"({old}) // 2"):
                        note = f"in {function.name}: range({old}) -> range({new})"
                        yield Option(weight=1.0, edits=(program.replace(count, new),), note=note)


_KINDS: Mapping[Operator, float] = {
    _from_options("comparison", _comparison): 1.0,
    _from_options("arithmetic", _arithmetic): 0.7,
    _from_options("reduction", _reduction): 1.0,
    _from_options("name", _name): 0.5,
    _from_options("window", _last_window): 1.5,
    _from_options("value", _reshape_value): 2.0,
    _from_options("spread", _spread_over_first_axis): 2.0,
    _from_options("rounds", _rounds): 0.5,
    _from_options("weigh", weighed): 1.0,
    _from_options("key", key): 1.5,
    _from_options("mix", mixed): 1.0,
    _from_options("threshold", threshold): 1.5,
    _from_options("clip", clipped): 0.15,
    _from_options("mask", masked): 0.5,
    delete_statement: 0.6,
    duplicate_statement: 0.5,
    swap_statements: 0.7,
}
_KERNEL_KINDS: Mapping[Operator, float] = {
    _from_options("hint", hinted): 2.0,
    _from_options("launch", launched): 1.5,
    _from_options("loop", looped): 1.0,
}
