"""Runs a candidate's host function on tensors without data, and tells what it launched."""

from __future__ import annotations

import json
import linecache
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import triton
from triton.runtime import cache

from evaluators.kernels.inside import tensors
from evaluators.kernels.inside.device import Facts, pretend
from evaluators.kernels.inside.launches import Launches
from evaluators.kernels.inside.refusals import FILENAME, RefusalError, describe
from evaluators.kernels.inside.tape import Json, Tape
from evaluators.kernels.inside.tensors import Dataless, Operations

MODULE = "candidate_kernels"
CACHE = "TRITON_CACHE_DIR"
WARM_UP = """
import torch, triton, triton.language as tl

@triton.jit
def kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(x + at, mask=at < n, other=0.0)
    tl.store(y + at, values / tl.sum(tl.exp(values - tl.max(values, 0)), 0), mask=at < n)

def warm_up(x):
    y = torch.empty_like(x)
    kernel[(triton.cdiv(x.numel(), 64),)](x, y, x.numel(), BLOCK=64, num_warps=1)
    return y
"""
WARM_UP_CALL = {
    "name": "warm-up",
    "tensors": [["x", "float32", [100]]],
    "scalars": {},
    "outputs": [["float32", [100]]],
}


def record(
    source: str, entry: str, calls: Sequence[Mapping[str, Any]], architecture: int, facts: Facts
) -> list[Any] | dict[str, Any]:
    """Record every call, then all again in reverse order.

    Args:
        source: the candidate's module.
        entry: its host function.
        calls: objects with ``name``, ``tensors`` (name, type and shape of each), ``scalars`` and ``outputs`` (type
            and shape of each).
        architecture: compute capability times ten.
        facts: of the device, by torch's names.

    Returns:
        A JSON text with kernels and plans, then the cubins, all as arrays of bytes; or an object that says with
        ``refused`` why there are none.
    """
    tempfile.tempdir = str(Path.cwd())
    os.environ[CACHE] = f"{tempfile.tempdir}/triton"
    launches = Launches()
    pretend(architecture, facts, launches)
    try:
        function = _load(source, entry)
        plans = [_recorded(function, call, launches) for call in calls]
        again = [_recorded(function, call, launches) for call in reversed(calls)]
        for first, second in zip(plans, reversed(again), strict=True):
            if first != second:
                raise RefusalError(f"the plan of call {first['name']!r} depends on more than its arguments", wrong=True)
    except RefusalError as error:
        return {"refused": describe(error, source), "wrong": error.wrong}
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the candidate or the compiler raises is the result
        return {"refused": describe(error, source), "wrong": False}
    told = {"triton": triton.__version__, "kernels": launches.kernels, "calls": plans}
    text = json.dumps(told, allow_nan=False).encode()
    return [np.frombuffer(data, np.uint8) for data in (text, *launches.cubins)]


def warm_up() -> None:
    """Do once what every recording needs, so that processes forked from this one find it done."""
    facts = dict.fromkeys(
        (
            "shared_memory_per_block_optin", "regs_per_multiprocessor", "multi_processor_count", "warp_size",
            "clock_rate", "memory_clock_rate", "memory_bus_width",
        ),
        1 << 16,
    )  # fmt: skip
    cache.triton_key = lambda: triton.__version__  # else a hash of the whole package, for a folder that nobody shares
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        reply = record(WARM_UP, "warm_up", [WARM_UP_CALL], 90, {**facts, "name": ""})
        os.chdir(before)
    del os.environ[CACHE], sys.modules[MODULE]
    if isinstance(reply, dict):
        raise RuntimeError(f"the recorder does not work here: {reply['refused']}")


def _load(source: str, entry: str) -> Callable[..., Any]:
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
    module = ModuleType(MODULE)
    module.__file__ = FILENAME
    sys.modules[MODULE] = module
    with Operations(Tape()):
        exec(compile(source, FILENAME, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - what we are for
    function = module.__dict__.get(entry)
    if not callable(function):
        raise RefusalError(f"the module defines no function {entry!r}")
    found: Callable[..., Any] = function
    return found


def _recorded(function: Callable[..., Any], call: Mapping[str, Any], launches: Launches) -> Json:
    tape = Tape()
    arguments = {name: tensors.argument(tape, name, dtype, shape) for name, dtype, shape in call["tensors"]}
    launches.tape = tape
    try:
        with Operations(tape):
            result = function(**arguments, **call["scalars"])
    finally:
        launches.tape = None
    return tape.plan(call["name"], _outputs(result, call["outputs"], tape))


def _outputs(result: Any, wanted: Sequence[Any], tape: Tape) -> list[Json]:
    """Where the returned tensors lie.

    Raises:
        RefusalError: they are not of the wanted forms, or do not have memory of their own.
    """
    found = list(result) if isinstance(result, tuple | list) else [result]
    if len(found) != len(wanted):
        raise RefusalError(f"must return {_several(len(wanted))}, not {_kind(result)}", wrong=True)
    taken: list[tuple[int, int, int]] = []
    for position, (tensor, (dtype, shape)) in enumerate(zip(found, wanted, strict=True)):
        what = f"output {position}" if len(wanted) > 1 else "the output"
        if not isinstance(tensor, Dataless):
            raise RefusalError(f"{what} must be a tensor on the device, not {_kind(tensor)}", wrong=True)
        form = (str(tensor.dtype).removeprefix("torch."), list(tensor.shape))
        if form != (dtype, shape):
            raise RefusalError(f"{what} must be {dtype}{shape}, not {form[0]}{form[1]}", wrong=True)
        if not tensor.is_contiguous():
            raise RefusalError(f"{what} must be contiguous, not with strides {list(tensor.stride())}", wrong=True)
        tape.owns(tensor.buffer)
        if tensor.buffer.argument:
            raise RefusalError(f"{what} lies in the memory of argument {tensor.buffer.argument!r}", wrong=True)
        start = tensor.offset_bytes
        place = (tensor.buffer.number, start, start + tensor.numel() * tensor.element_size())
        if any(place[0] == other[0] and max(place[1], other[1]) < min(place[2], other[2]) for other in taken):
            raise RefusalError(f"{what} shares memory with another output", wrong=True)
        taken.append(place)
    return [[place[0], place[1], dtype, shape] for place, (dtype, shape) in zip(taken, wanted, strict=True)]


def _several(count: int) -> str:
    return "a tensor" if count == 1 else f"a tuple of {count} tensors"


def _kind(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return "a tensor elsewhere" if isinstance(value, torch.Tensor) else f"{type(value).__name__}"
