"""A quick look at a program before it runs: saves the time of a sandbox, and is never the boundary."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from evaluators.kernels.screen import screen_kernel
from evaluators.program import LONG_INTEGER_BITS, ProgramError, parse_program
from evaluators.region import change_outside

if TYPE_CHECKING:
    from evaluators.problem import Declaration

FORBIDDEN_NAMES = frozenset(
    {
        "breakpoint",
        "compile",
        "eval",
        "exec",
        "exit",
        "globals",
        "help",
        "input",
        "locals",
        "open",
        "quit",
        "vars",
    }
)
MACHINE_CODE = frozenset({"ctypes", "ctypeslib", "f2py"})
"""Doors of numpy to machine code of one's own: no fault of the judge's, but not what an exported policy should need."""

ANYTHING = "*"
"""Among the allowed imports: entry, imports and names are the task's own business."""

_PLAIN_DUNDERS = frozenset({"__init__", "__name__"})


def screen(
    source: str,
    *,
    entry: str,
    parameters: Sequence[str],
    allowed_imports: Collection[str],
    template: str | None = None,
    max_bytes: int = 100_000,
    max_depth: int = 100,
) -> str | None:
    """Say why a program is not worth running, or None when nothing speaks against it.

    Args:
        source: the program.
        entry: name of the function that it must define at top level.
        parameters: names that the entry must take, in order; it may take more if those have defaults.
        allowed_imports: packages (or dotted modules) that it may import; what lies below them is allowed too. With
            `ANYTHING` among them entry and names are not looked at either.
        template: a program that it must equal outside the regions that this marks, or None.
        max_bytes: largest size of the text in UTF-8.
        max_depth: deepest nesting of its syntax tree.

    Returns:
        One sentence with the line number where there is one.
    """
    reason = _check_text(source, max_bytes)
    if reason:
        return reason
    try:
        tree = parse_program(source)
    except ProgramError as error:
        changed = change_outside(source, template) if template is not None else None
        return changed or f"does not parse: {error}"
    return (
        # First of all: whoever writes such an integer out fails.
        _check_integers(tree)
        or (change_outside(source, template) if template is not None else None)
        or _check_depth(tree, max_depth)
        or (None if ANYTHING in allowed_imports else _check_interface(tree, entry, parameters, allowed_imports))
    )


def _check_interface(
    tree: ast.Module, entry: str, parameters: Sequence[str], allowed_imports: Collection[str]
) -> str | None:
    return _check_entry(tree, entry, parameters) or next(_objections(tree, allowed_imports), None)


def screen_by(facts: Declaration, source: str) -> str | None:
    """The same by what a problem declares; of a Triton module more is forbidden."""
    reason = screen(
        source,
        entry=facts.entry,
        parameters=facts.parameters,
        # Where our judge measures, a problem says what it allows.
        allowed_imports=facts.allowed_imports if facts.claim else facts.allowed_imports - {ANYTHING},
        template=facts.template,
    )
    if reason is None and facts.kernel:
        return screen_kernel(parse_program(source), entry=facts.entry)
    return reason


def _check_text(source: str, max_bytes: int) -> str | None:
    try:
        size = len(source.encode("utf-8"))
    except UnicodeEncodeError as error:
        line = source.count("\n", 0, error.start) + 1
        return f"line {line}: holds a character that UTF-8 cannot encode"
    if size > max_bytes:
        return f"is {size} bytes long, more than the {max_bytes} allowed"
    if "\0" in source:
        line = source.count("\n", 0, source.index("\0")) + 1
        return f"line {line}: holds a NUL byte"
    return None


def _check_depth(tree: ast.Module, max_depth: int) -> str | None:
    """Measure nesting without recursion, so that no program can exhaust the stack of the one who looks."""
    level: list[ast.AST] = [tree]
    for _ in range(max_depth + 1):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return None
    line = next((node.lineno for node in level if isinstance(node, ast.expr | ast.stmt)), 0)
    return f"line {line}: is nested more than {max_depth} levels deep"


def _check_integers(tree: ast.Module) -> str | None:
    """Python refuses to write thousands of digits in decimal, and no float is as large."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and type(node.value) is int and node.value.bit_length() > LONG_INTEGER_BITS:
            return f"line {node.lineno}: writes an integer of more than {LONG_INTEGER_BITS} bits; compute it instead"
    return None


def _check_entry(tree: ast.Module, entry: str, parameters: Sequence[str]) -> str | None:
    wanted = f"{entry}({', '.join(parameters)})"
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry]
    if not found:
        return f"defines no top-level function {wanted}"
    function = found[-1]
    arguments = function.args
    names = [argument.arg for argument in arguments.args]
    extra = len(names) - len(parameters)
    optional = len(arguments.defaults) >= extra and None not in arguments.kw_defaults
    if arguments.posonlyargs or names[: len(parameters)] != list(parameters) or not optional:
        given = ", ".join([*(argument.arg for argument in arguments.posonlyargs), *names])[:200]
        return f"line {function.lineno}: {entry} must take ({', '.join(parameters)}), not ({given})"
    return None


def _objections(tree: ast.Module, allowed_imports: Collection[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = ["." * node.level + (node.module or "")]
            for alias in node.names:
                if alias.name in MACHINE_CODE:
                    yield f"line {node.lineno}: imports {alias.name!r}, which is not allowed"
        elif isinstance(node, ast.Attribute) and (_is_dunder(node.attr) or node.attr in MACHINE_CODE):
            yield f"line {node.lineno}: uses the attribute {node.attr!r}, which is not allowed"
            continue
        elif isinstance(node, ast.Name) and (node.id in FORBIDDEN_NAMES or _is_dunder(node.id)):
            yield f"line {node.lineno}: uses the name {node.id!r}, which is not allowed even for a variable"
            continue
        else:
            continue
        for module in modules:
            if not _is_allowed(module, allowed_imports):
                allowed = ", ".join(sorted(allowed_imports)) or "nothing"
                yield f"line {node.lineno}: imports {module!r}, but a program may import only: {allowed}"


def _is_dunder(name: str) -> bool:
    return len(name) > 4 and name.startswith("__") and name.endswith("__") and name not in _PLAIN_DUNDERS


def _is_allowed(module: str, allowed_imports: Collection[str]) -> bool:
    if MACHINE_CODE.intersection(module.split(".")):
        return False
    return module == "__future__" or any(
        module == allowed or module.startswith(f"{allowed}.") for allowed in allowed_imports
    )
