"""Host code: allocates, views, computes grids, launches, and keeps nothing from one call to the next."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from evaluators.kernels.screen_facts import Facts, ObjectionError, parameter_names
from evaluators.kernels.screen_names import (
    ALLOCATORS,
    ANNOTATIONS,
    CHANGERS,
    HOST_BUILTINS,
    HOST_MEMBERS,
    HOST_PATHS,
    LIMITS_OF_TYPES,
    OPTIONS,
    RESERVED,
)
from evaluators.kernels.screen_walk import Walker

_MAKE_NEW = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)
_PASS_ON = frozenset({"enumerate", "filter", "iter", "max", "min", "next", "reversed", "zip"})
_USED_UP = frozenset({"enumerate", "filter", "iter", "map", "reversed", "zip"})
_READERS = frozenset({"cpu", "data_ptr", "item", "numpy", "tolist", "untyped_storage"})


def check_host(facts: Facts, function: ast.FunctionDef) -> None:
    """Hold a host function to what host code may do.

    Raises:
        ObjectionError: it does something else.
    """
    walker = _HostWalker(facts, "host code")
    for default in (*function.args.defaults, *function.args.kw_defaults):
        if default is not None:
            check_constant(facts, default)
    walker.meet(function.args)
    for statement in function.body:
        walker.walk(statement)
    for annotation in _annotations(function):
        _AnnotationWalker(facts, "an annotation").walk(annotation)
    _check_state(facts, function)


def check_constant(facts: Facts, value: ast.expr) -> None:
    """Hold what is computed when the module is loaded to values that tell something.

    Raises:
        ObjectionError: it does something else.
    """
    _HostWalker(facts, "host code").walk(value)
    called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    if called in _USED_UP or isinstance(value, ast.GeneratorExp):
        raise ObjectionError(value, "names something that is used up by the first call; make it a tuple")
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and facts.path(node.func) in ALLOCATORS:
            raise ObjectionError(node, "allocates a tensor when the module is loaded; allocate in the function")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript):
            raise ObjectionError(node, "launches when the module is loaded; launch in the function")


def _annotations(function: ast.FunctionDef) -> list[ast.expr]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found = [argument.annotation for argument in named if argument is not None]
    return [node for node in (*found, function.returns) if node is not None]


class _HostWalker(Walker):
    also = (
        ast.Break,
        ast.Continue,
        ast.Raise,
        ast.With,
        ast.withitem,
        ast.FunctionDef,
        ast.Lambda,
        ast.arguments,
        ast.arg,
        ast.Dict,
        ast.Set,
        ast.DictComp,
        ast.SetComp,
        ast.GeneratorExp,
    )
    paths = HOST_PATHS
    members = HOST_MEMBERS
    builtins = HOST_BUILTINS

    def meet(self, node: ast.AST) -> None:
        """Hold launches, decorators and contexts to what is there."""
        match node:
            case ast.Call(func=ast.Subscript()):
                self._launch(node)
            case ast.arguments(defaults=defaults, kw_defaults=others):
                changeable = next((value for value in (*defaults, *others) if value and _is_mutable(value)), None)
                if changeable:
                    raise ObjectionError(changeable, "has a default that calls could change; use None or a tuple")
            case ast.Constant(value=str(text)) if text in RESERVED:
                raise ObjectionError(node, f"names {text!r}, which is the compiler's own business; leave it out")
            case ast.FunctionDef(decorator_list=[first, *_]):
                raise ObjectionError(first, "decorates a function within a function; define kernels at module level")
            case ast.With(items=items):
                for item in items:
                    call = item.context_expr
                    if not isinstance(call, ast.Call) or self.facts.path(call.func) != "torch.cuda.device":
                        raise ObjectionError(call, "uses with for something other than torch.cuda.device(...)")

    def module_name(self, node: ast.Name) -> None:
        """All of the module's names may be read."""

    def why_no_member(self, name: str) -> str:
        """What to say of a tensor's methods that compute or read."""
        if name in _READERS:
            return f"uses {name!r}: the host function is recorded without data or addresses; read them in a kernel"
        if name in ("run", "warmup", "fn", "cache", "device_caches"):
            return f"uses {name!r} of a kernel; launch it as kernel[grid](...)"
        return (
            f"uses the attribute {name!r}; host code may allocate, view, tell shapes and launch: what computes, copies "
            "or converts belongs into a kernel"
        )

    def _attribute(self, node: ast.Attribute) -> None:
        told = node.value
        is_limits = isinstance(told, ast.Call) and self.facts.path(told.func) in ("torch.finfo", "torch.iinfo")
        if is_limits and node.attr in LIMITS_OF_TYPES:
            self.walk(told)
        else:
            super()._attribute(node)

    def _launch(self, node: ast.Call) -> None:
        """Keywords of a launch are parameters or options."""
        assert isinstance(node.func, ast.Subscript)
        target = node.func.value
        named = self.facts.kernels.get(target.id) if isinstance(target, ast.Name) else None
        kernels = [named] if named else list(self.facts.kernels.values())
        known = (OPTIONS | RESERVED).union(*(parameter_names(kernel) for kernel in kernels))  # the latter met elsewhere
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in known:
                options = ", ".join(sorted(OPTIONS))
                reason = f"launches with {keyword.arg!r}, neither a parameter of the kernel nor an option ({options})"
                raise ObjectionError(keyword.value, reason)


class _AnnotationWalker(_HostWalker):
    paths = ANNOTATIONS


def _check_state(facts: Facts, function: ast.FunctionDef) -> None:
    """Refuse what changes a module-level container: plans would come to depend on earlier calls.

    Follows names within one function; a plan that depends on earlier calls is caught when it is recorded again.
    """
    shared = {name for name, value in facts.constants.items() if _is_mutable(value)}
    shared |= {*facts.functions, *facts.kernels}
    if not shared:
        return
    _spread(function, shared)
    for node in ast.walk(function):
        changed = _changed(node, shared)
        if changed:
            raise ObjectionError(
                node,
                "changes what belongs to the module; plans must not depend on earlier calls: copy it, or build it anew",
            )


def _is_mutable(value: ast.expr) -> bool:
    return any(
        isinstance(node, _MAKE_NEW)
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("dict", "list", "set"))
        for node in ast.walk(value)
    )


def _spread(function: ast.FunctionDef, shared: set[str]) -> None:
    """Add the names that come to stand for something shared, or for a part of it; looks at every binding once."""
    bindings = [binding for node in ast.walk(function) if (binding := _binding(node))]
    by_source: dict[str, list[int]] = {}
    for number, (_, value) in enumerate(bindings):
        for name in _sources(value):
            by_source.setdefault(name, []).append(number)
    todo = list(shared)
    while todo:
        for number in by_source.pop(todo.pop(), ()):
            for expression in bindings[number][0]:
                new = {name.id for name in ast.walk(expression) if isinstance(name, ast.Name)} - shared
                shared |= new
                todo += new
            bindings[number] = ([], bindings[number][1])


def _binding(node: ast.AST) -> tuple[list[ast.expr], ast.expr] | None:
    """What a node binds, and to what."""
    match node:
        case ast.Assign(targets=targets, value=value):
            found: list[ast.expr] = targets
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            found = [target]
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            found = [target]
        case ast.NamedExpr(target=target, value=value):
            found = [target]
        case _:
            return None
    return [expression for expression in found if isinstance(expression, ast.Name | ast.Tuple | ast.List)], value


def _changed(node: ast.AST, shared: set[str]) -> bool:
    match node:
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            return _reaches(value, shared)
        case ast.AugAssign(target=ast.Name(id=name)):
            return name in shared
        case ast.Call(func=ast.Attribute(value=value, attr=name)):
            return name in CHANGERS and _reaches(value, shared)
    return False


def _reaches(node: ast.expr, shared: set[str]) -> bool:
    """Whether the value may be something shared, or a part of it, rather than a new value."""
    return any(name in shared for name in _sources(node))


def _sources(node: ast.expr) -> Iterator[str]:
    """Names whose value this may be, or a part of it, rather than a new value."""
    if isinstance(node, ast.Name):
        yield node.id
    for part in _parts(node):
        yield from _sources(part)


def _parts(node: ast.expr) -> list[ast.expr]:
    """Expressions whose value this may be, or a part of it."""
    match node:
        case (
            ast.Attribute(value=value)
            | ast.Subscript(value=value)
            | ast.Starred(value=value)
            | ast.NamedExpr(value=value)
        ):
            return [value]
        case ast.Call(func=ast.Attribute(value=value, attr=name)) if name != "copy":
            return [value]
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _PASS_ON:
            return arguments
        case ast.IfExp(body=body, orelse=orelse):
            return [body, orelse]
        case ast.BoolOp(values=values) | ast.Tuple(elts=values) | ast.List(elts=values):
            return values
    return []
