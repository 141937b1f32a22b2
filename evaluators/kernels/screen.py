"""A look at a Triton module before it is recorded: saves the time, keeps a candidate's Python off the compiler.

It is no boundary: the recording has a sandbox, and the judge believes nothing that comes out of it. But kernel bodies
are run as Python by Triton's interpreter, and so only what a compiler would take is let through.
"""

from __future__ import annotations

import ast

from evaluators.kernels.screen_device import check_kernel
from evaluators.kernels.screen_facts import Facts, ObjectionError, check_decorators, facts_of
from evaluators.kernels.screen_host import check_constant, check_host


def screen_kernel(tree: ast.Module, *, entry: str) -> str | None:
    """Say what speaks against recording a Triton module, or None.

    Args:
        tree: the module, which `evaluators.screen.screen` has let through (so nested 100 levels deep at most).
        entry: name of its host function.

    Returns:
        One sentence with the line and what to do instead.
    """
    try:
        facts = facts_of(tree)
        if entry not in facts.functions:
            found = facts.kernels.get(entry)
            at = f"line {found.lineno}: " if found else ""
            return f"{at}{entry} must be a plain function that launches kernels"
        for statement in tree.body:
            _check(facts, statement)
    except ObjectionError as objection:
        return str(objection)
    if not facts.kernels:
        return "defines no @triton.jit function; what it computes must be computed by kernels of its own"
    return None


def _check(facts: Facts, statement: ast.stmt) -> None:
    """Look at one top-level statement.

    Raises:
        ObjectionError: something speaks against it.
    """
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
            return
        case ast.FunctionDef():
            _check_function(facts, statement)
        case ast.Assign(targets=targets, value=value) if all(_is_plain(target) for target in targets):
            check_constant(facts, value)
        case ast.AnnAssign(target=ast.Name(), value=ast.expr() as value, annotation=annotation):
            check_constant(facts, annotation)
            check_constant(facts, value)
        case ast.If():
            raise ObjectionError(
                statement,
                "has a branch at module level; leave tests and `if __name__ == '__main__'` out of the program",
            )
        case ast.Assert(test=test, msg=message):
            check_constant(facts, test)
            if message is not None:
                check_constant(facts, message)
        case ast.Try():
            raise ObjectionError(
                statement, "catches exceptions when it is loaded; import what is there, without a fallback"
            )
        case _:
            raise ObjectionError(
                statement, "does more at module level than import, define functions and name constants; move it"
            )


def _is_plain(target: ast.expr) -> bool:
    """Whether it is a name, or several."""
    if isinstance(target, ast.Tuple):
        return all(isinstance(name, ast.Name) for name in target.elts)
    return isinstance(target, ast.Name)


def _check_function(facts: Facts, function: ast.FunctionDef) -> None:
    if getattr(function, "type_params", ()):  # since Python 3.12
        raise ObjectionError(function, "has type parameters; leave them out")
    for given in check_decorators(facts, function):
        check_constant(facts, given)
    if function.name in facts.kernels:
        for default in (*function.args.defaults, *function.args.kw_defaults):
            if default is not None:
                check_constant(facts, default)
        check_kernel(facts, function)
    else:
        check_host(facts, function)
