"""Text of a guest program: loads a Triton module under the interpreter and calls its host function once.

It runs in a sandbox whose zygote imported numpy, torch and triton with ``TRITON_INTERPRET=1``; the judge reads this
file and never imports it. Whatever it replies is a claim, since the module under test shares its process: arrays in the
order of the outputs, or an object ``{"fault": kind, "reason": text}``.

Tensors say that they are on ``cuda:0``, as when a plan is recorded. What the host function allocates starts as NaN (or
0x5A in every byte), so that nobody gains by reading it, and every address that a kernel touches must lie in one of the
tensors that it was given: the interpreter itself would end in a segmentation fault, or silently use other memory.
"""

from __future__ import annotations

import dataclasses
import linecache
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

FILENAME = "<kernel module>"
MODULE = "kernel_module"
PREFIX = "argument_"
REASON_CHARACTERS = 400
SHOWN_DEVICE = torch.device("cuda", 0)
DEVICE_OF, IS_CUDA = (vars(torch._C.TensorBase)[name].__get__ for name in ("device", "is_cuda"))
POISON_BYTE = 0x5A
ALLOCATORS = {
    torch.empty,
    torch.empty_like,
    torch.empty_strided,
    torch.empty_permuted,
    torch.Tensor.new_empty,
    torch.Tensor.new_empty_strided,
}
# What a host function may ask of the device to size a grid; an H200's, for which plans are recorded.
PROPERTIES = SimpleNamespace(
    name="NVIDIA H200",
    major=9,
    minor=0,
    multi_processor_count=132,
    total_memory=139 << 30,
    warp_size=32,
    max_threads_per_multi_processor=2048,
    L2_cache_size=60 << 20,
    shared_memory_per_block_optin=232448,
)


class Surroundings(TorchFunctionMode):
    """Lets torch, on a machine without a GPU, look as if there were one; poisons what is allocated."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """See `TorchFunctionMode`."""
        del types
        if function == DEVICE_OF:
            return SHOWN_DEVICE
        if function == IS_CUDA:
            return True
        if function is torch.Tensor.cuda:
            return args[0]
        here = [_on_cpu(value) for value in args]
        result = function(*here, **{name: _on_cpu(value) for name, value in (kwargs or {}).items()})
        if function in ALLOCATORS:
            poison(result)
        return result


def _on_cpu(value: Any) -> Any:
    is_device = isinstance(value, torch.device) or (isinstance(value, str) and value.startswith("cuda"))
    return torch.device("cpu") if is_device else value


def poison(tensor: torch.Tensor) -> None:
    """Fill a fresh tensor with what no right answer holds."""
    if tensor.is_floating_point():
        tensor.fill_(float("nan"))
    elif tensor.dtype is torch.bool:
        tensor.fill_(True)
    else:
        tensor.view(torch.uint8).fill_(POISON_BYTE) if tensor.is_contiguous() and tensor.dim() else tensor.fill_(90)


class Watch:
    """Holds every load, store and atomic of a kernel to the tensors that it was launched with."""

    def __init__(self) -> None:
        self._starts = np.zeros(0, np.uint64)
        self._ends = np.zeros(0, np.uint64)
        self._names: list[str] = []

    def install(self, interpreter: Any) -> None:
        """Take the interpreter's place where it touches memory; this process is the guest's own."""
        builder, launcher = interpreter.interpreter_builder, interpreter.GridExecutor
        prepare, item_type = launcher._init_args_hst, interpreter._get_np_dtype

        def prepared(executor: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
            found = prepare(executor, args, kwargs)
            self._note({**dict(zip(executor.arg_names, found[0], strict=False)), **found[1]})
            return found

        def watched(name: str, what: str, pointer: int, mask: int | None) -> Callable[..., Any]:
            act = getattr(builder, name)

            def acts(*given: Any, **named: Any) -> Any:
                item_bytes = item_type(given[pointer].get_element_ty()).itemsize
                self._check(given[pointer].data, None if mask is None else given[mask], item_bytes, what)
                return act(*given, **named)

            return acts

        launcher._init_args_hst = prepared
        builder.create_masked_load = watched("create_masked_load", "loads", 0, 1)
        builder.create_masked_store = watched("create_masked_store", "stores", 0, 2)
        builder.create_atomic_rmw = watched("create_atomic_rmw", "atomically changes", 1, 3)
        builder.create_atomic_cas = watched("create_atomic_cas", "atomically changes", 0, None)

    def _note(self, arguments: Mapping[str, Any]) -> None:
        spans = []
        for name, argument in arguments.items():
            for item in argument if isinstance(argument, tuple) else (argument,):
                tensor = getattr(item, "base", item)  # a tensor descriptor or a reinterpreted tensor holds one
                if isinstance(tensor, torch.Tensor):
                    storage = tensor.untyped_storage()
                    spans.append((storage.data_ptr(), storage.data_ptr() + storage.nbytes(), name))
        spans.sort()
        self._starts = np.array([start for start, _, _ in spans], np.uint64)
        self._ends = np.array([end for _, end, _ in spans], np.uint64)
        self._names = [name for _, _, name in spans]

    def _check(self, pointers: np.ndarray[Any, Any], mask: Any, item_bytes: int, what: str) -> None:
        active = pointers if mask is None else pointers[np.broadcast_to(mask.data, pointers.shape).astype(bool)]
        addresses = np.atleast_1d(active).ravel().astype(np.uint64)
        if not addresses.size:
            return
        below = np.searchsorted(self._starts, addresses, side="right").astype(np.int64) - 1
        ends = self._ends[below] if self._ends.size else np.zeros_like(addresses)
        outside = (below < 0) | (addresses + np.uint64(item_bytes) > ends)
        if outside.any():
            first = int(np.argmax(outside))
            if below[first] < 0:
                where = "before all of its tensors"
            else:
                beyond = (int(addresses[first]) - int(ends[first])) // item_bytes
                where = f"{beyond} items after the end of {self._names[below[first]]!r}"
            raise IndexError(f"{what} {int(outside.sum())} items outside of its tensors, the first {where}")


def _load(source: str) -> ModuleType:
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
    module = ModuleType(MODULE)
    sys.modules[MODULE] = module
    exec(compile(source, FILENAME, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - what a sandbox is for
    return module


def _told(error: BaseException) -> str:
    """Type and message of what was raised first, and the line of the module where."""
    while error.__cause__ is not None:
        error = error.__cause__
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILENAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    where = f" (line {line})" if line else ""
    return f"{type(error).__name__}: {error}"[:REASON_CHARACTERS] + where


def interpret(
    source: str, entry: str, tensors: Mapping[str, str], scalars: Mapping[str, Any], **contents: Any
) -> list[Any] | dict[str, str]:
    """Load the module and call its entry once.

    Args:
        source: text of the module, with bf16 already written as fp32.
        entry: name of its host function.
        tensors: torch's type of each tensor argument by parameter, in order.
        scalars: the other arguments by parameter.
        contents: an array for each tensor argument, its name after `PREFIX`.
    """
    given = {}
    for name, kind in tensors.items():
        array = contents[PREFIX + name]
        given[name] = torch.empty(array.shape, dtype=getattr(torch, kind)).copy_(torch.from_numpy(array.copy()))
    before = {name: tensor.numpy().tobytes() for name, tensor in given.items()}
    try:
        with Surroundings():
            function = getattr(_load(source), entry, None)
            if not callable(function):
                return {"fault": "raised", "reason": f"the module defines no function {entry!r}"}
            result = function(**given, **scalars)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the module raises is its result
        return {"fault": "raised", "reason": _told(error)}
    for name, tensor in given.items():
        if tensor.numpy().tobytes() != before[name]:
            return {"fault": "argument", "reason": f"changed its argument {name!r}, which it may only read"}
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    for number, output in enumerate(outputs):
        if type(output) is not torch.Tensor or output.dtype is torch.bfloat16:
            kind = str(getattr(output, "dtype", type(output).__name__))
            return {"fault": "form", "reason": f"output {number} is a {kind}, not a tensor of a type that was declared"}
    return [output.detach().contiguous().numpy() for output in outputs]


def hasten(interpreter: Any) -> None:
    """Let the interpreter put its functions into Triton's language once, not at every call of a device function.

    That, and its checks of integers for overflow, which no device makes, are three quarters of its time.
    """
    replace, done = interpreter._patch_lang, set()

    def replace_once(function: Any) -> SimpleNamespace:
        language = interpreter.tl
        modules = (language, language.core)
        seen = frozenset(id(value) for value in function.__globals__.values() if any(value is it for it in modules))
        if seen not in done:
            done.add(seen)
            replace(function)
        return SimpleNamespace(restore=lambda: None)

    interpreter._patch_lang = replace_once
    builder = interpreter.interpreter_builder
    builder.options = dataclasses.replace(builder.options, sanitize_overflow=False)


def prepare() -> None:
    """Ready this process, the guest's own, before it has seen any program."""
    os.environ["TRITON_INTERPRET"] = "1"
    from triton.runtime import interpreter  # noqa: PLC0415 - which needs the variable

    hasten(interpreter)
    answers = {
        "get_device_properties": PROPERTIES,
        "get_device_capability": (PROPERTIES.major, PROPERTIES.minor),
        "get_device_name": PROPERTIES.name,
        "current_device": 0,
        "device_count": 1,
        "is_available": True,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    Watch().install(interpreter)


prepare()
