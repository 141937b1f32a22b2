"""Changes to Triton kernels that leave what they compute as it is: what the cache is told, loops, warps and stages.

A kernel is exactly right or worth nothing, so that what bends numbers elsewhere only breaks it; what may change is how
the same work is done.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from evolve.proposers.operators.kinds import Kinds
from evolve.proposers.operators.source import Edit, Program
from evolve.proposers.operators.task import Option, one_line

_LANGUAGE = "triton.language"
_WARPS, _STAGES = (1, 2, 4, 8, 16), (1, 2, 3, 4)
_HINTS = {
    "load": {"eviction_policy": ("evict_first", "evict_last"), "cache_modifier": (".ca", ".cg")},
    "store": {"eviction_policy": ("evict_first", "evict_last"), "cache_modifier": (".cs", ".wt")},
}
"""What may be told to the cache, by the name of the access (Triton's documentation of ``tl.load`` and ``tl.store``)."""

_LOOP_RISK = 0.3
"""An unrolled loop may need its counter at compile time, so that the other kind of loop does not always compile."""


def is_kernel(program: Program) -> bool:
    """Whether a program is a Triton module."""
    return program.module_alias("triton") is not None


def hinted(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Tell the cache what to do with what a load or store moves, or tell it nothing.

    One hint at a time: the assembler refuses most pairs.
    """
    del kinds
    language = program.module_alias(_LANGUAGE)
    for function, call in _calls(program):
        match call.func:
            case ast.Attribute(value=ast.Name(id=module), attr=("load" | "store") as access) if module == language:
                given = {keyword.arg for keyword in call.keywords if not _is_empty(keyword.value)}
                for name, values in _HINTS[access].items():
                    for value in (*values, "") if given.isdisjoint(_HINTS[access].keys() - {name}) else ("",):
                        yield from _with_keyword(program, function, call, name, f'"{value}"')


def launched(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Launch with other numbers of warps and stages, where these are no names that have marks of their own."""
    del kinds
    for function, call in _calls(program):
        if isinstance(call.func, ast.Subscript):
            for name, values in (("num_warps", _WARPS), ("num_stages", _STAGES)):
                for value in values:
                    yield from _with_keyword(program, function, call, name, str(value))


def looped(program: Program, kinds: Kinds) -> Iterator[Option]:
    """Unroll a counted loop of a kernel, roll it up, or have its loads begun some rounds ahead."""
    del kinds
    language = program.module_alias(_LANGUAGE)
    for function in program.functions.values():
        for node in ast.walk(function):
            match node:
                case ast.For(iter=ast.Call(func=ast.Name(id="range")) as call) if language and function.decorator_list:
                    unrolled = program.replace(call.func, f"{language}.static_range")
                    yield _option(program, function, call, (unrolled,), _LOOP_RISK)
                    for stages in _STAGES[1:]:
                        ahead = (
                            program.replace(call.func, f"{language}.range"),
                            _appended(program, call, "num_stages", stages),
                        )
                        yield _option(program, function, call, ahead, 0.5)
                case ast.For(iter=ast.Call(func=ast.Attribute(attr="static_range")) as call):
                    yield _option(program, function, call, (program.replace(call.func, "range"),), _LOOP_RISK)


def _is_empty(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and not value.value


def _calls(program: Program) -> Iterator[tuple[ast.FunctionDef, ast.Call]]:
    for function in program.functions.values():
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                yield function, node


def _with_keyword(
    program: Program, function: ast.FunctionDef, call: ast.Call, name: str, value: str
) -> Iterator[Option]:
    """The call with another value of a keyword that is a plain number or text there, or missing."""
    if any(keyword.arg is None for keyword in call.keywords):
        return
    given = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
    if given is None and value != '""':
        yield _option(program, function, call, (_appended(program, call, name, value),), 1.0, f"{name}={value}")
    elif isinstance(given, ast.Constant) and repr(given.value) != repr(ast.literal_eval(value)):
        yield _option(program, function, call, (program.replace(given, value),), 1.0, f"{name}={value}")


def _appended(program: Program, call: ast.Call, name: str, value: object) -> Edit:
    last = max(program.span(item)[1] for item in (*call.args, *(keyword.value for keyword in call.keywords), call.func))
    separator = ", " if call.args or call.keywords else ""
    start = last if separator else program.span(call)[1] - 1
    return Edit(start=start, end=start, text=f"{separator}{name}={value}")


def _option(
    program: Program, function: ast.FunctionDef, call: ast.Call, edits: tuple[Edit, ...], weight: float, what: str = ""
) -> Option:
    told = what or ", ".join(edit.text.strip(", ") for edit in edits)
    return Option(weight=weight, edits=edits, note=f"in {function.name}: {told} in {one_line(program.text(call), 40)}")
