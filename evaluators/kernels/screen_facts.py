"""What stands at the top of a Triton module: imports, kernels, host functions, constants."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from evaluators.kernels.screen_names import (
    AUTOTUNE,
    DEVICE_PATHS,
    HEURISTICS,
    HOST_PATHS,
    JIT,
    JIT_OPTIONS,
    MODULES,
)
from evaluators.scopes import imported_names, parameters_of, sites_of


class ObjectionError(Exception):
    """What speaks against a module, with the line."""

    def __init__(self, node: ast.AST, reason: str) -> None:
        super().__init__(f"line {getattr(node, 'lineno', 0)}: {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A module's top level.

    Args:
        aliases: names that imports bind, with what they stand for.
        kernels: functions decorated with ``triton.jit``, by name.
        functions: the other functions, by name.
        constants: other names, with the expression that was assigned last.
        unbound: identities of the name nodes that no function binds, and so mean the module's names or Python's own.
    """

    aliases: Mapping[str, str]
    kernels: Mapping[str, ast.FunctionDef]
    functions: Mapping[str, ast.FunctionDef]
    constants: Mapping[str, ast.expr]
    unbound: frozenset[int]

    def path(self, node: ast.expr) -> str | None:
        """The dotted name of an imported thing; None for anything else."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.aliases:
            return None
        return ".".join((self.aliases[node.id], *reversed(parts)))


def facts_of(tree: ast.Module) -> Facts:
    """Survey a module.

    Raises:
        ObjectionError: it imports what it may not, or binds an imported or a function's name twice.
    """
    aliases: dict[str, str] = {}
    kernels: dict[str, ast.FunctionDef] = {}
    functions: dict[str, ast.FunctionDef] = {}
    constants: dict[str, ast.expr] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            aliases.update(_imported(statement))
    imports = Facts(aliases=aliases, kernels={}, functions={}, constants={}, unbound=_unbound(tree, aliases))
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            if statement.name in kernels or statement.name in functions:
                raise ObjectionError(statement, f"defines {statement.name!r} a second time; keep one of them")
            is_kernel = any(imports.path(_bare(decorator)) == JIT for decorator in statement.decorator_list)
            (kernels if is_kernel else functions)[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
            constants.update(dict.fromkeys(names, statement.value))
    both = constants.keys() & {*kernels, *functions}
    if both:
        raise ObjectionError(constants[min(both)], f"assigns to {min(both)!r}, which is a function; rename one of them")
    return replace(imports, kernels=kernels, functions=functions, constants=constants)


def _unbound(tree: ast.Module, aliases: Mapping[str, str]) -> frozenset[int]:
    """Name nodes that no function binds; and none may bind an imported name, so that this always means the import."""
    unbound = set()
    for statement in tree.body:
        for site in sites_of(statement):
            if site.scope is None and isinstance(site.node, ast.Name):
                unbound.add(id(site.node))
            is_binding = not (isinstance(site.node, ast.Name) and isinstance(site.node.ctx, ast.Load))
            if is_binding and site.name in aliases:
                raise ObjectionError(site.node, f"gives the imported name {site.name!r} another meaning; rename it")
    return frozenset(unbound)


def check_decorators(facts: Facts, function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Hold a function's decorators to Triton's own; yields the host code in their arguments.

    Raises:
        ObjectionError: there is another one.
    """
    for decorator in function.decorator_list:
        path = facts.path(_bare(decorator))
        if path == AUTOTUNE:
            raise ObjectionError(
                decorator,
                "uses triton.autotune; mark constants instead, as in `BLOCK = 64  # tune: choice 32 64 128`, and pass "
                "them at the launch: whoever tunes them measures on the judge's clock",
            )
        if path not in (JIT, HEURISTICS) or function.name not in facts.kernels:
            raise ObjectionError(
                decorator, "uses a decorator other than triton.jit and triton.heuristics; leave it out"
            )
        if isinstance(decorator, ast.Call):
            keywords = {keyword.arg or "**" for keyword in decorator.keywords}
            wrong = keywords - (JIT_OPTIONS if path == JIT else {"values"})
            if wrong:
                raise ObjectionError(decorator, f"gives {path} the option {min(wrong)!r}; leave it out")
            yield from decorator.args
            yield from (keyword.value for keyword in decorator.keywords)


def parameter_names(function: ast.FunctionDef) -> frozenset[str]:
    """Names of a function's parameters."""
    return frozenset(argument.arg for argument in parameters_of(function.args))


def _bare(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _imported(statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """Names that an import binds, with the dotted names of what they stand for."""
    found = {}
    known = MODULES | HOST_PATHS | DEVICE_PATHS | {JIT, HEURISTICS, AUTOTUNE, "triton.tools"}
    if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
        return {}
    for alias, (name, target) in zip(statement.names, imported_names(statement).items(), strict=False):
        path = target.replace(":", ".")
        if path not in known:
            raise ObjectionError(statement, f"imports {path!r}: {why_not(path)}")
        whole = isinstance(statement, ast.ImportFrom) or alias.asname
        found[name] = path if whole else path.partition(".")[0]
    return found


def why_not(path: str) -> str:
    """Why a dotted name is not allowed, and what to do instead."""
    last = path.rpartition(".")[2]
    if last == "autotune":
        return "mark constants with `# tune:` instead"
    if last in ("device_print", "static_print", "device_assert"):
        return "leave out prints and checks; the judge checks every output itself"
    if last in ("inline_asm_elementwise", "extern_elementwise"):
        return "inline PTX and foreign functions are not allowed; write it with tl, or with libdevice's maths"
    if last in ("globaltimer", "smid", "clock", "clock64"):
        return "a kernel may not ask for the time or for where it runs"
    if last in ("gdc_wait", "gdc_launch_dependents", "constexpr_function", "aggregate", "must_use_result"):
        return "this part of Triton is not replayed; write a plain @triton.jit function"
    if path.startswith("triton.language"):
        return "not one of the names of tl that a kernel may use"
    if path.startswith("torch.cuda"):
        return "of torch.cuda only what tells about the device is there; times and streams are the judge's"
    if path.startswith("torch"):
        return "torch may allocate and view here, and compute nothing: write that as a kernel"
    if path.startswith("triton"):
        there = "jit, heuristics, cdiv, next_power_of_2, set_allocator, language and tools.tensor_descriptor"
        return f"of triton only {there} are there"
    return "only torch, triton, triton.language, math and typing can be imported"
