"""Kernels of libraries that a user would compare with, where they are installed; nothing here is needed to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch


class MissingColumnError(RuntimeError):
    """A library's kernel cannot be had; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryOp:
    """An operator of a library that writes into tensors it is given.

    Args:
        op: the overload.
        names: its parameters in order; versions of a library differ in them.
    """

    op: Any
    names: tuple[str, ...]

    def __call__(self, given: Mapping[str, object]) -> None:
        """Call it by the names of its parameters; one that is not given is None."""
        self.op(*(given.get(name) for name in self.names))


def vllm_op(name: str, known: frozenset[str]) -> LibraryOp:
    """Find an operator of vLLM's compiled mixture-of-experts library, without importing vLLM itself.

    Args:
        name: the operator, such as ``"topk_softmax"``.
        known: parameters that the caller can give; any other must be optional.

    Raises:
        MissingColumnError: vLLM is not installed, its library does not load, or the operator is another one.
    """
    found = find_spec("vllm")
    if found is None or found.submodule_search_locations is None:
        raise MissingColumnError("vllm is not installed")
    libraries = [
        path for folder in found.submodule_search_locations for path in sorted(Path(folder).glob("_moe_C*.so"))
    ]
    if not libraries:
        raise MissingColumnError("the installed vllm has no compiled library _moe_C*.so")
    try:
        for path in libraries:
            torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
    except OSError as error:
        reason = str(error).partition("\n")[0]
        raise MissingColumnError(f"vllm's library does not load beside torch {torch.__version__}: {reason}") from error
    packet = getattr(torch.ops._moe_C, name, None)
    if packet is None:
        raise MissingColumnError(f"the installed vllm has no operator {name}")
    arguments = packet.default._schema.arguments
    needed = [a.name for a in arguments if a.name not in known and not isinstance(a.type, torch.OptionalType)]
    if needed:
        raise MissingColumnError(f"vllm's {name} asks for {', '.join(needed)}, which is not known here")
    return LibraryOp(op=packet.default, names=tuple(a.name for a in arguments))


def compiled(function: Any) -> Any:
    """``torch.compile`` for every shape by itself; what it cannot compile raises rather than running uncompiled."""

    @cache
    def whole() -> Any:
        return torch.compile(function, dynamic=False, fullgraph=True)

    def call(*arguments: Any) -> Any:
        # Every shape is compiled anew, more than the eight that are allowed before torch would give up in silence.
        with torch._dynamo.config.patch(recompile_limit=1024, accumulated_recompile_limit=4096):
            return whole()(*arguments)

    return call
