"""Plans of a recording: buffers, launches, fills and outputs of one call, every number held against the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from evaluators.kernels.forms import ITEM_BYTES, Call, Form
from evaluators.kernels.plan import (
    Argument,
    Fill,
    Kernel,
    Launch,
    LaunchPlan,
    Null,
    Output,
    Scalar,
    Step,
    Storage,
)
from evaluators.kernels.reading_json import (
    MOST_BYTES,
    field,
    integer,
    integers,
    listing,
    malformed,
    mapping,
    real,
    shown,
    text,
)
from evaluators.kernels.reading_kernels import SCALAR_BYTES, Parameter, ReadKernel
from evaluators.kernels.reading_limits import (
    BUFFERS,
    COUNTS,
    FILL,
    GRID,
    MEMORY,
    OUTPUT_DTYPE,
    OUTPUT_PLACE,
    OUTPUT_SHAPE,
    OUTPUTS,
    SCALAR,
    SIGNATURE,
    Bench,
)
from evaluators.kernels.reading_maps import read_map
from evaluators.kernels.reading_places import Places
from evaluators.model import Outcome

MOST_GRID = (2**31 - 1, 65_535, 65_535)
"""Blocks along each axis of a grid."""

_LARGEST = {"fp16": 65_504.0, "bf16": 3.3895313892515355e38, "fp32": 3.4028234663852886e38, "fp64": math.inf}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """One call being read."""

    bench: Bench
    call: Call
    kernels: Sequence[ReadKernel]
    places: Places


def read_plan(bench: Bench, call: Call, value: object, kernels: Sequence[ReadKernel]) -> LaunchPlan:
    """Read what was recorded of one call.

    Raises:
        RefusedError: it does not fit the call, the kernels or the limits.
    """
    what = f"call {call.name!r}"
    claim = mapping(value, what)
    storages = _storages(bench, call, field(claim, "buffers", what))
    scene = _Scene(bench=bench, call=call, kernels=kernels, places=Places(bench=bench, storages=storages))
    steps = _steps(scene, listing(field(claim, "steps", what), f"steps of {what}"))
    outputs = _outputs(scene, listing(field(claim, "outputs", what), f"outputs of {what}"))
    plan = LaunchPlan(call=call, storages=storages, steps=steps, outputs=outputs)
    _check_memory(bench, plan, [entry.kernel for entry in kernels])
    return plan


def _storages(bench: Bench, call: Call, value: object) -> tuple[Storage, ...]:
    what = f"buffers of call {call.name!r}"
    items = listing(value, what)
    most = len(call.tensors) + bench.limits.buffers
    if len(items) > most:
        bench.refuse(COUNTS, Outcome.OUT_OF_MEMORY, f"{what}: allocates more than {bench.limits.buffers} tensors")
    storages = []
    for item in items:
        entry = mapping(item, what)
        size = integer(field(entry, "bytes", what), f"bytes in {what}")
        storages.append(Storage(bytes=size, argument=text(field(entry, "argument", what), f"argument in {what}")))
    count = len(call.tensors)
    wanted = [Storage(bytes=form.bytes, argument=name) for name, form in call.tensors.items()]
    if storages[:count] != wanted or any(storage.argument for storage in storages[count:]):
        bench.cheated(BUFFERS, f"{what} must begin with those of {', '.join(call.tensors)}, and hold no others by name")
    return tuple(storages)


def _steps(scene: _Scene, items: Sequence[object]) -> tuple[Step, ...]:
    limits = scene.bench.limits
    fills = sum(isinstance(item, dict) and "fill" in item for item in items)
    for count, most, word in ((len(items) - fills, limits.launches, "launches"), (fills, limits.fills, "fills")):
        if count > most:
            scene.bench.refuse(
                COUNTS,
                Outcome.OUT_OF_MEMORY,
                f"call {scene.call.name!r} makes {count} {word}, more than {most}: give one kernel more to do",
            )
    return tuple(_step(scene, item, f"call {scene.call.name!r}, step {number}") for number, item in enumerate(items))


def _step(scene: _Scene, value: object, what: str) -> Step:
    claim = mapping(value, what)
    if "fill" in claim:
        return _fill(scene, claim["fill"], what)
    at = integer(field(claim, "kernel", what), f"kernel of {what}")
    if at >= len(scene.kernels):
        raise malformed(f"{what} launches kernel {at} of {len(scene.kernels)}")
    kernel = scene.kernels[at]
    grid = integers(listing(field(claim, "grid", what), f"grid of {what}", length=3), f"grid of {what}")
    x, y, z = grid
    if not all(grid):
        scene.bench.cheated(GRID, f"{what} launches the empty grid {grid}")
    if any(blocks > most for blocks, most in zip((x * kernel.kernel.num_ctas, y, z), MOST_GRID, strict=True)):
        scene.bench.refuse(
            GRID, Outcome.CRASHED, f"{what} cannot be launched: its grid is {grid}, where {MOST_GRID} are possible"
        )
    items = listing(field(claim, "arguments", what), f"arguments of {what}")
    wanted = kernel.parameters
    if len(items) != len(wanted):
        scene.bench.cheated(SIGNATURE, f"{what} passes {len(items)} arguments to {len(wanted)} parameters")
    return Launch(
        kernel=at,
        grid=(x, y, z),
        arguments=tuple(
            _argument(scene, item, parameter, f"{what}, argument {number}")
            for number, (item, parameter) in enumerate(zip(items, wanted, strict=False))
        ),
    )


def _argument(scene: _Scene, value: object, parameter: Parameter, what: str) -> Argument:
    items = listing(value, what)
    tag = items[0] if items else None
    is_pointer = parameter.item_bytes > 0
    fits = {"p": is_pointer, "n": is_pointer, "m": parameter.rank > 0, "s": not is_pointer and not parameter.rank}
    if not isinstance(tag, str) or tag not in fits:
        raise malformed(f"{what} is of the unknown kind {shown(tag)}")
    if not fits[tag]:
        scene.bench.cheated(SIGNATURE, f"{what} is of kind {tag!r} where the parameter is of type {parameter.type}")
    if tag == "p":
        _, buffer, offset = listing(value, what, length=3)
        return scene.places.pointer(buffer, offset, what, align=max(parameter.item_bytes, 1))
    if tag == "n":
        listing(value, what, length=1)
        return Null()
    if tag == "m":
        return read_map(scene.places, listing(value, what, length=2)[1], parameter.rank, what)
    _, type_name, number = listing(value, what, length=3)
    kind = text(type_name, what)
    if fits["s"] and kind != parameter.type:
        scene.bench.cheated(SIGNATURE, f"{what} is a {shown(kind)} where the parameter is a {parameter.type}")
    return _scalar(scene.bench, kind, number, what)


def _scalar(bench: Bench, kind: str, value: object, what: str) -> Scalar:
    if kind in _LARGEST:
        number = real(value, what)
        # As the machine converts a double: what is too large becomes infinite.
        return Scalar(type=kind, value=math.copysign(math.inf, number) if abs(number) > _LARGEST[kind] else number)
    if kind not in SCALAR_BYTES:
        raise malformed(f"{what} is of the unknown type {shown(kind)}")
    bits = int(kind[1:])
    if isinstance(value, bool) and bits == 1:
        return Scalar(type=kind, value=int(value))
    whole = integer(value, what, low=-(2**63), high=2**64 - 1)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "i" and bits > 1 else (0, (1 << bits) - 1)
    if not low <= whole <= high:
        bench.cheated(SCALAR, f"{what} is {whole}, which no {kind} holds")
    return Scalar(type=kind, value=whole)


def _fill(scene: _Scene, value: object, what: str) -> Fill:
    buffer, offset, times, digits = listing(value, f"fill of {what}", length=4)
    count = integer(times, f"count of {what}")
    try:
        pattern = bytes.fromhex(text(digits, f"pattern of {what}", most=8))
    except ValueError as error:
        raise malformed(f"pattern of {what} is not hexadecimal") from error
    if len(pattern) not in (1, 2, 4):
        raise malformed(f"pattern of {what} has {len(pattern)} bytes, not 1, 2 or 4")
    place = scene.places.pointer(buffer, offset, what, align=len(pattern))
    storage = scene.places.storage(place)
    if storage and place.offset + count * len(pattern) > storage.bytes:
        scene.bench.cheated(FILL, f"{what} fills {count * len(pattern)} bytes, more than lie behind its place")
    if storage and storage.argument:
        reason = f"{what} fills the argument {storage.argument!r}; arguments are read-only"
        scene.bench.refuse(FILL, Outcome.WRONG, reason)
    return Fill(place=place, count=count, pattern=pattern)


def _outputs(scene: _Scene, items: Sequence[object]) -> tuple[Output, ...]:
    bench, name = scene.bench, scene.call.name
    if len(items) != len(scene.call.outputs):
        bench.refuse(
            OUTPUTS,
            Outcome.WRONG,
            f"call {name!r} returns {_count(len(items))}, not {_count(len(scene.call.outputs))}",
        )
    outputs = tuple(
        _output(scene, item, wanted, f"call {name!r}, output {number}")
        for number, (item, wanted) in enumerate(zip(items, scene.call.outputs, strict=False))
    )
    spans = sorted(
        (output.place.buffer, output.place.offset, output.place.offset + output.form.bytes)
        for output in outputs
        if output.form.bytes
    )
    if any(first[0] == second[0] and second[1] < first[2] for first, second in pairwise(spans)):
        bench.cheated(OUTPUT_PLACE, f"call {name!r} returns tensors that overlap")
    return outputs


def _output(scene: _Scene, value: object, wanted: Form, what: str) -> Output:
    bench = scene.bench
    buffer, offset, dtype, shape = listing(value, what, length=4)
    given = Form(dtype=text(dtype, f"dtype of {what}"), shape=integers(shape, f"shape of {what}"))
    if given.dtype != wanted.dtype:
        bench.refuse(OUTPUT_DTYPE, Outcome.WRONG, f"{what} must be {wanted}, not of dtype {shown(given.dtype)}")
    if given.shape != wanted.shape:
        bench.refuse(OUTPUT_SHAPE, Outcome.WRONG, f"{what} must be {wanted}, not of shape {list(given.shape)}")
    place = scene.places.pointer(buffer, offset, what, align=ITEM_BYTES[wanted.dtype])
    storage = scene.places.storage(place)
    if storage and storage.argument:
        bench.cheated(OUTPUT_PLACE, f"{what} lies in the argument {storage.argument!r}; return a new tensor")
    if storage and place.offset + wanted.bytes > storage.bytes:
        bench.cheated(OUTPUT_PLACE, f"{what} takes {wanted.bytes} bytes, more than lie behind its place")
    return Output(place=place, form=wanted)


def _check_memory(bench: Bench, plan: LaunchPlan, kernels: Sequence[Kernel]) -> None:
    scratch = sum(
        math.prod(launch.grid) * kernels[launch.kernel].num_ctas * kernels[launch.kernel].global_scratch_bytes
        for launch in plan.launches
    )
    allowed = bench.limits.temporary_bytes(plan.call)
    taken = plan.allocated_bytes + scratch
    outputs = sum(form.bytes for form in plan.call.outputs)
    if taken > allowed + outputs or taken > MOST_BYTES:
        bench.refuse(
            MEMORY,
            Outcome.OUT_OF_MEMORY,
            f"call {plan.call.name!r} allocates {taken} bytes ({scratch} of them scratch of its kernels), where "
            f"{outputs} for outputs and {allowed} beside them are allowed",
        )


def _count(tensors: int) -> str:
    return "1 tensor" if tensors == 1 else f"{tensors} tensors"
