"""Kernel bodies: what Triton compiles, and what its interpreter would run as ordinary Python."""

from __future__ import annotations

import ast

from evaluators.kernels.screen_facts import Facts, ObjectionError, parameter_names
from evaluators.kernels.screen_names import DEVICE_BUILTINS, DEVICE_MEMBERS, DEVICE_PATHS, RESERVED
from evaluators.kernels.screen_walk import Walker
from evaluators.scopes import parameters_of


def check_kernel(facts: Facts, function: ast.FunctionDef) -> None:
    """Hold a ``@triton.jit`` function to what a kernel may do.

    Raises:
        ObjectionError: it does something else.
    """
    reserved = parameter_names(function) & RESERVED
    if reserved:
        raise ObjectionError(function, f"has a parameter {min(reserved)!r}, which means something to Triton; rename it")
    walker = _DeviceWalker(facts, "a kernel")
    for statement in function.body:
        walker.walk(statement)
    for annotation in _annotations(function):
        walker.walk(annotation)


def _annotations(function: ast.FunctionDef) -> list[ast.expr]:
    # Of starred parameters too: no compiler takes them, but Python computes their annotations as it loads the module.
    found = [argument.annotation for argument in parameters_of(function.args)]
    return [node for node in (*found, function.returns) if node is not None and not isinstance(node, ast.Constant)]


class _DeviceWalker(Walker):
    paths = DEVICE_PATHS
    members = DEVICE_MEMBERS
    builtins = DEVICE_BUILTINS

    def meet(self, node: ast.AST) -> None:
        """Stores go to names alone; loops run over Triton's own ranges."""
        match node:
            case ast.Subscript(ctx=ast.Store() | ast.Del()):
                raise ObjectionError(
                    node, "assigns to a part of a tensor, which Triton cannot; use tl.where or tl.store"
                )
            case ast.Constant(value=bytes() | complex()):
                raise ObjectionError(node, "writes a constant that no kernel needs")

    def module_name(self, node: ast.Name) -> None:
        """Kernels call kernels, and read constants."""
        if node.id in self.facts.functions:
            raise ObjectionError(node, f"calls the host function {node.id!r} in a kernel; decorate it with @triton.jit")
