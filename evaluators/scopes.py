"""Which scope binds which name, for every place in a program that spells one."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scope:
    """A function, lambda, comprehension or class body, and the names that it binds."""

    number: int
    names: frozenset[str]
    globals: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()
    is_class: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Site:
    """One place that spells a name.

    Args:
        node: the node of the syntax tree that holds the name.
        attribute: which attribute of the node holds it.
        index: where in that attribute, if it is a list of names.
        name: the name.
        scope: who binds it; None for module-level names and builtins.
    """

    node: ast.AST
    attribute: str
    index: int | None
    name: str
    scope: Scope | None

    def spell(self, name: str) -> None:
        """Write another name in this place."""
        if self.index is None:
            setattr(self.node, self.attribute, name)
        else:
            getattr(self.node, self.attribute)[self.index] = name


def sites_of(statement: ast.stmt) -> list[Site]:
    """List the places below a top-level statement that spell a name, in a fixed order.

    Names that an import statement binds are left to the module, also inside a function.
    """
    walk = _Walk()
    walk.visit(statement)
    return walk.sites


def top_level_bindings(statement: ast.stmt) -> frozenset[str]:
    """Name every module-level name that a top-level statement binds; "*" for a star import."""
    bound = _Bound()
    bound.collect([statement])
    names = bound.names
    if not isinstance(statement, Definition):
        for node in ast.walk(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names.update(imported_names(node))
    return frozenset(names)


def imported_names(statement: ast.Import | ast.ImportFrom) -> dict[str, str]:
    """Map each name that an import binds to the module or member that it stands for."""
    if isinstance(statement, ast.Import):
        return {alias.asname or alias.name.partition(".")[0]: alias.name for alias in statement.names}
    origin = "." * statement.level + (statement.module or "")
    return {alias.asname or alias.name: f"{origin}:{alias.name}" for alias in statement.names}


def parameters_of(arguments: ast.arguments) -> list[ast.arg]:
    """List every parameter: positional, keyword-only, starred."""
    starred = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *starred]


@dataclass(slots=True)
class _Bound:
    """Collects the names that a body binds in its own scope."""

    names: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    nonlocals: set[str] = field(default_factory=set)

    def collect(self, nodes: Iterable[ast.AST | None]) -> None:
        """Walk the nodes of one scope without entering the scopes below it."""
        for node in nodes:
            match node:
                case None | ast.Name(ctx=ast.Load()):
                    continue
                case ast.Name(id=name):
                    self.names.add(name)
                case ast.Global(names=names):
                    self.globals.update(names)
                case ast.Nonlocal(names=names):
                    self.nonlocals.update(names)
                case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    self.names.add(name)
                case ast.MatchMapping(rest=str(name)):
                    self.names.add(name)
                case ast.AnnAssign(target=ast.Name(), simple=0, value=None):
                    self.collect([node.annotation])
                    continue  # `(name): type` binds nothing, unlike `name: type`
            self._descend(node)

    def _descend(self, node: ast.AST) -> None:
        if isinstance(node, Definition):
            self.names.add(node.name)
            self.collect(_evaluated_outside(node))
        elif isinstance(node, ast.Lambda):
            self.collect([*node.args.defaults, *node.args.kw_defaults])
        elif isinstance(node, _Comprehension):
            self.collect(_named_within(node))
        else:
            self.collect(ast.iter_child_nodes(node))


class _Walk:
    """Visits a statement with the stack of scopes around each node."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self._stack: list[Scope] = []
        self._scopes = 0

    def visit(self, node: ast.AST | None) -> None:
        """Record the names that a node spells, then those of the nodes below it."""
        if node is None or isinstance(node, ast.Constant | ast.expr_context | ast.operator | ast.cmpop):
            return
        if isinstance(node, Definition | ast.Lambda):
            self._visit_definition(node)
            return
        if isinstance(node, _Comprehension):
            self._visit_comprehension(node)
            return
        match node:
            case ast.Name(id=name):
                self._found(node, "id", name)
                return
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                for index, name in enumerate(names):
                    self._found(node, "names", name, index)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                self._found(node, "name", name)
            case ast.MatchMapping(rest=str(name)):
                self._found(node, "rest", name)
        self._visit_all(ast.iter_child_nodes(node))

    def _visit_definition(self, node: Definition | ast.Lambda) -> None:
        """Visit defaults, decorators and bases in the scope around it, the rest in its own."""
        bound = _Bound()
        if isinstance(node, ast.Lambda):
            self._visit_all([*node.args.defaults, *node.args.kw_defaults])
            body: Sequence[ast.AST] = [node.body]
        else:
            self._found(node, "name", node.name)
            self._visit_all(_evaluated_outside(node))
            body = node.body
        bound.collect(body)
        if isinstance(node, ast.ClassDef):
            self._enter(bound, body, is_class=True)
        else:
            self._enter(bound, body, parameters=parameters_of(node.args))

    def _visit_comprehension(self, node: _Comprehension) -> None:
        """Visit the first iterable in the scope around it, the rest in its own."""
        first = node.generators[0]
        self.visit(first.iter)
        bound = _Bound()
        bound.collect(generator.target for generator in node.generators)
        inside: list[ast.AST] = []
        for generator in node.generators:
            inside.append(generator.target)
            if generator is not first:
                inside.append(generator.iter)
            inside.extend(generator.ifs)
        inside.extend([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._enter(bound, inside)

    def _enter(
        self,
        bound: _Bound,
        inside: Iterable[ast.AST],
        parameters: Sequence[ast.arg] = (),
        *,
        is_class: bool = False,
    ) -> None:
        names = frozenset(argument.arg for argument in parameters)
        scope = Scope(
            number=self._scopes,
            names=(frozenset(bound.names) | names) - bound.globals - bound.nonlocals,
            globals=frozenset(bound.globals),
            parameters=names,
            is_class=is_class,
        )
        self._scopes += 1
        self._stack.append(scope)
        for argument in parameters:
            self._found(argument, "arg", argument.arg)
        self._visit_all(inside)
        self._stack.pop()

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            self.visit(node)

    def _found(self, node: ast.AST, attribute: str, name: str, index: int | None = None) -> None:
        owner = None
        for scope in reversed(self._stack):
            if name in scope.globals:
                break
            if name in scope.names and (not scope.is_class or scope is self._stack[-1]):
                owner = scope
                break
        self.sites.append(Site(node=node, attribute=attribute, index=index, name=name, scope=owner))


def _named_within(node: ast.AST) -> Iterator[ast.expr]:
    """Targets of the named expressions in a comprehension, which bind around it; those in a lambda bind within that."""
    children: Iterable[ast.AST | None] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Lambda):
        children = [*node.args.defaults, *node.args.kw_defaults]
    elif isinstance(node, ast.NamedExpr):
        yield node.target
    for child in children:
        if child is not None:
            yield from _named_within(child)


def _evaluated_outside(node: Definition) -> list[ast.AST | None]:
    """List the parts of a definition that are evaluated in the scope around it."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]
    annotations = [argument.annotation for argument in parameters_of(node.args)]
    return [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults, *annotations, node.returns]
