"""A walk through one part of a Triton module that meets nothing but what is listed."""

from __future__ import annotations

import ast
import builtins
from abc import ABC, abstractmethod
from collections.abc import Mapping

from evaluators.kernels.screen_facts import Facts, ObjectionError, why_not
from evaluators.kernels.screen_names import REFLECTION, RESERVED

HINTS: Mapping[type[ast.AST], str] = {
    ast.ClassDef: "defines a class; write plain functions",
    ast.Try: "catches exceptions; a program that falls back hides what it does: let errors out",
    ast.TryStar: "catches exceptions; a program that falls back hides what it does: let errors out",
    ast.Delete: "deletes a name; leave it out, buffers live as long as the call",
    ast.Global: "changes a module-level name; a plan must not depend on earlier calls: pass values instead",
    ast.Nonlocal: "changes an outer function's name; pass and return values instead",
    ast.AsyncFunctionDef: "is asynchronous; write a plain function",
    ast.Import: "imports within a function; import at the top of the module",
    ast.ImportFrom: "imports within a function; import at the top of the module",
    ast.Lambda: "uses a lambda in a kernel; write a @triton.jit function",
    ast.FunctionDef: "defines a function in a kernel; write a @triton.jit function at module level",
    ast.Yield: "is a generator; return a value",
    ast.YieldFrom: "is a generator; return a value",
    ast.Break: "breaks out of a loop, which Triton cannot compile; put the condition into a while, or a mask",
    ast.Continue: "continues a loop early, which Triton cannot compile; use if or a mask",
    ast.With: "uses with; only `with torch.cuda.device(...)` is there, and only in host code",
    ast.Raise: "raises in a kernel; check in host code",
}

_ALWAYS = (
    ast.Module,
    ast.Expr,
    ast.Assign,
    ast.AnnAssign,
    ast.AugAssign,
    ast.For,
    ast.While,
    ast.If,
    ast.Return,
    ast.Pass,
    ast.Assert,
    ast.BoolOp,
    ast.NamedExpr,
    ast.BinOp,
    ast.UnaryOp,
    ast.IfExp,
    ast.Compare,
    ast.Call,
    ast.Constant,
    ast.Attribute,
    ast.Subscript,
    ast.Name,
    ast.List,
    ast.Tuple,
    ast.Slice,
    ast.Starred,
    ast.keyword,
    ast.JoinedStr,
    ast.FormattedValue,
    ast.ListComp,
    ast.comprehension,
    ast.boolop,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.expr_context,
)


class Walker(ABC):
    """Visits nodes from above, and objects to the first that is not listed.

    Args:
        facts: of the module.
        place: where the walk is, for messages: ``"a kernel"`` or ``"host code"``.
    """

    also: tuple[type[ast.AST], ...] = ()
    paths: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()
    builtins: frozenset[str] = frozenset()

    def __init__(self, facts: Facts, place: str) -> None:
        self.facts = facts
        self._place = place

    def walk(self, node: ast.AST) -> None:
        """Visit a node and all below.

        Raises:
            ObjectionError: something is not listed.
        """
        if not isinstance(node, (*_ALWAYS, *self.also)):
            kind = type(node).__name__
            raise ObjectionError(node, HINTS.get(type(node), f"uses the syntax {kind}, which {self._place} may not"))
        match node:
            case ast.Attribute():
                self._attribute(node)
                return
            case ast.Name(ctx=ast.Load()):
                self._name(node)
            case ast.keyword(arg=str(name)) if name in RESERVED:
                raise ObjectionError(node.value, f"sets {name!r}, which is the compiler's own business; leave it out")
        self.meet(node)
        for child in ast.iter_child_nodes(node):
            self.walk(child)

    @abstractmethod
    def meet(self, node: ast.AST) -> None:
        """Object to what only this kind of code may not do."""

    @abstractmethod
    def module_name(self, node: ast.Name) -> None:
        """Object to a module-level name that this kind of code may not read."""

    def _attribute(self, node: ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            raise ObjectionError(node, f"sets the attribute {node.attr!r}; keep values in variables")
        path = self.facts.path(node)
        if path is not None:
            self._path(node, path)
            return
        self._member(node)
        self.walk(node.value)

    def _path(self, node: ast.expr, path: str) -> None:
        parts = path.split(".")
        for end in range(len(parts), 0, -1):
            if ".".join(parts[:end]) in self.paths:
                wrong = next((part for part in parts[end:] if part not in self.members), None)
                if wrong is None:
                    return
                raise ObjectionError(
                    node, f"uses {path}, but {wrong!r} is none of the attributes {self._place} may use"
                )
        raise ObjectionError(node, f"uses {path} in {self._place}: {why_not(path)}")

    def _member(self, node: ast.Attribute) -> None:
        if node.attr not in self.members:
            raise ObjectionError(node, self.why_no_member(node.attr))

    def why_no_member(self, name: str) -> str:
        """What to say of an attribute that is not listed."""
        return f"uses the attribute {name!r}, which is none of those that {self._place} may use"

    def _name(self, node: ast.Name) -> None:
        name = node.id
        if name in REFLECTION:
            raise ObjectionError(node, f"uses Python's {name!r}, which {self._place} may not, even as a variable")
        if id(node) not in self.facts.unbound:
            return
        if name in self.facts.aliases:
            self._path(node, self.facts.aliases[name])
        elif name in self.facts.kernels or name in self.facts.functions or name in self.facts.constants:
            self.module_name(node)
        elif name in self.builtins:
            return
        elif hasattr(builtins, name):
            raise ObjectionError(node, f"uses Python's {name!r}, which {self._place} may not")
        else:
            raise ObjectionError(node, f"uses the name {name!r}, which is defined nowhere")
