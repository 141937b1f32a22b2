from __future__ import annotations

import base64
import copy
import json
import math
import random
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evaluators.kernels import reading_limits as names
from evaluators.kernels.forms import Call, Form
from evaluators.kernels.plan import Fill, Launch, Null, Output, Pointer, Recording, Scalar, Storage
from evaluators.kernels.reading import CHECKS, FORM, PlanLimits, read_recording
from evaluators.model import Outcome
from evaluators.problem import RefusedError
from sandbox import Buffer

# add(x_ptr, y_ptr, out_ptr, n, scale), 1024 items by 4 warps, compiled for sm_90 by Triton 3.6.
ADD = zlib.decompress(
    base64.b64decode(
        "eNrtV81vG0UUf94db9bejddeJ00sVyUfjhQk5FhFAg4cIkSBAxEILqgX42CnrpQ41tpEa7BUu6BAoGrPvSDUE7lzCQfUA0JtxR9Abyji0P"
        "YUoQhVKLC8+dj1ztouHwLBoSNt3vzmfc5v3m7Gl869+pISiz09AXwo8DX0YDBuWkKaXJ6fPA+r8BzE8a8JMYBiq95qO+3KOs582dkKyXKr"
        "3qi6UGzsFC82Nrah2K657WKlWg2WAtCqV5xaNQqdWqvm7OCkBMVqbf3dC+UNp7JVA1RsDi1U5BWM8k5lc/OCU2nWGWo62+3tdqcpdNuNVr"
        "vSaJdYzj8z/sXt+vt8c6u2Vdze2GjV2qUxPJTLjZ1yYL92bq3M7culcmXzYqX1jxLl1/eXyDqLjwqJofW38JkPYSLkR/jMfZ4csv+CxSFD"
        "69+z9Ymh9WN87HQor8bFQ2ZvDNl7OAqhOR2Yr0ulZfZ7vWXQvX5vWWdTbvPUuE2LXOQVfC+4L/ErJys6U5+h84zumwKxQ/NnCXv3yIwpwm"
        "HG4/kAx2FOwgROAxxlAqzCrIQVSEv2MdAlzAmbB/V19M17QE7rkI4DlPAhaZPVEhOPmisBSeqM8bSC82cIjRbwRuVvQv4q5AnKF4PvSkCP"
        "NC6/H/OAHjsNtpCCXEec3RI+jRTqiQcf4pza3EjBwXsY5RNhf2ghRoYvCz3iXEcEpk32gPorHuwK/YIFBTeRoO3kwdUJuLMCtmskLrEGQf"
        "zjNUi7CeipAIkfPMQW6sGgPHgnVxk2u5Cg+2iuHxlcrxmUoJAeuP4Xg9ZTcICRwfIdMr3G9Q+ZfsnVErRHiEL1r4Hq2l7MJ+cbC+JuWpCM"
        "qyyfbvT8fIcWKTjTUnzbTRqUbF/f3wON9WDujAk3dJrfCOpH/ZJLjEF+i9iuafSUwX5UNyvVY7tTBjaarycYT+fxfvb3w+IpPF4G9UmuPz"
        "YEPybHPzH7/l6aBPXdSyGeHtR7mALTAZvur/nGkcrjK4lQfBpvisc7MThfKYkv1T01qJ+dhy7xFXfNgT3TJyU967dPB/1WcHKSvn9gYf0a"
        "r5f2l5Mf6L+l+8soA/4Vup9seD8FZypSjx2pZ0bOd1fHfAqPV0d8O4mYBPlZv38s+n2jCP39FGFvKtUvo/31ScTJAb5vIjYFVjF+TpPj57"
        "UgPrU/mNKC/VK8P6PJ8W1Njp/VgvgL9PzIoD9urcjnecuCxe70ND3PNGX8zjXY3QMyTfszhx+kQ5XydyrM32I3kxHfFZ2+P4vdXE7jx4XY"
        "Uha7+bzG6aA4tti1WL9YHKP9zAzFqQBP2hRPBjibpdgUePculoL8sHruqbB7G0ge+QnwARAL+QnwPn5u0TXA14FMYjUBvg8ki9H9/a0F/7"
        "rwK/TgCdjtgJIJ9m/BWiest+Dlzgn7znreByq9rM125Mvb/x0/Ho/HfznY3WbE+qqQ342wDw9jjP+KMEzGHu2fFXejofxi8Wbk/uTfuWaF"
        "bIyIKS6DbNT/oP4nuWhG3evCvyCHG7qJPy/8VyPrV4TDlyH/xAj/z3hNQ/lXheHcmPw+D1fEWjT/20TmSRV2Uf7OCk6id9Meke/0qpj2Rv"
        "ye0Uf0QC85vt/C4yux9sIY/9VQc4ziTxNr4z6lszFZ6qE6/q5fPMzPmN9AoA37aY/gJTqidY7z8/nxpe/3O5ThB84="
    )
)
CALL = Call(
    name="n=1000",
    tensors={"x": Form(dtype="float32", shape=(1000,)), "y": Form(dtype="float32", shape=(10, 100))},
    outputs=(Form(dtype="float32", shape=(1000,)), Form(dtype="int32", shape=(4,))),
    scalars={"scale": 0.5},
)
EMPTY = Call(
    name="n=0",
    tensors={"x": Form(dtype="float32", shape=(0,)), "y": Form(dtype="float32", shape=(0,))},
    outputs=(Form(dtype="float32", shape=(0,)), Form(dtype="int32", shape=(4,))),
)
Claim = dict[str, Any]
Change = Callable[[Claim], object]


def honest() -> Claim:
    return {
        "triton": "3.6.0",
        "kernels": [
            {
                "cubin": 0,
                "name": "add",
                "num_warps": 4,
                "num_ctas": 1,
                "shared": 0,
                "global_scratch": 0,
                "global_scratch_align": 1,
                "profile_scratch": 0,
                "signature": ["*fp32", "*fp32", "*fp32", "i32", "fp32"],
            }
        ],
        "calls": [
            {
                "name": "n=1000",
                "buffers": [
                    {"bytes": 4000, "argument": "x"},
                    {"bytes": 4000, "argument": "y"},
                    {"bytes": 8192, "argument": ""},
                    {"bytes": 0, "argument": ""},
                ],
                "steps": [
                    {"fill": [2, 4096, 1024, "0000c07f"]},
                    {
                        "kernel": 0,
                        "grid": [1, 1, 1],
                        "arguments": [["p", 0, 0], ["p", 1, 400], ["p", 2, 0], ["s", "i32", 1000], ["s", "fp32", 0.5]],
                    },
                ],
                "outputs": [[2, 0, "float32", [1000]], [2, 4096, "int32", [4]]],
            },
            {
                "name": "n=0",
                "buffers": [
                    {"bytes": 0, "argument": "x"},
                    {"bytes": 0, "argument": "y"},
                    {"bytes": 16, "argument": ""},
                ],
                "steps": [],
                "outputs": [[2, 16, "float32", [0]], [2, 0, "int32", [4]]],
            },
        ],
    }


def read(
    claim: object, *cubins: bytes, off: frozenset[str] = frozenset(), limits: PlanLimits | None = None
) -> Recording:
    text = claim if isinstance(claim, str | bytes) else json.dumps(claim)
    reply = [text, *(np.frombuffer(cubin, dtype=np.uint8) for cubin in cubins or (ADD,))]
    return read_recording(reply, (CALL, EMPTY), architecture=90, limits=limits, seconds=1.5, off=off)


def refusal(claim: object, *cubins: bytes, limits: PlanLimits | None = None) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        read(claim, *cubins, limits=limits)
    return caught.value


def put(*path: str | int, to: object) -> Change:
    """Change one value deep in a claim."""

    def change(claim: Claim) -> None:
        node: Any = claim
        for step in path[:-1]:
            node = node[step]
        node[path[-1]] = to

    return change


def call(*path: str | int, to: object) -> Change:
    return put("calls", 0, *path, to=to)


def launch(*path: str | int, to: object) -> Change:
    return call("steps", 1, *path, to=to)


def kernel(name: str, to: object) -> Change:
    return put("kernels", 0, name, to=to)


def changed(change: Change) -> Claim:
    claim = copy.deepcopy(honest())
    change(claim)
    return claim


def caught_by_another(change: Change, check: str) -> str:
    """Which check sees a change where one is switched off; empty where none does."""
    try:
        read(changed(change), off=frozenset({check}))
    except RefusedError as error:
        return error.check
    return ""


def test_an_honest_recording() -> None:
    recording = read(honest())
    assert recording.triton == "3.6.0"
    assert recording.architecture == 90
    assert recording.seconds == 1.5
    assert recording.cubins == (ADD,)
    assert list(recording.plans) == ["n=1000", "n=0"]
    (kernel,) = recording.kernels
    assert (kernel.registers, kernel.local_bytes, kernel.num_warps) == (30, 0, 4)
    plan = recording.plans["n=1000"]
    assert plan.call is CALL
    assert plan.storages[0] == Storage(bytes=4000, argument="x")
    fill, launched = plan.steps
    assert fill == Fill(place=Pointer(buffer=2, offset=4096), count=1024, pattern=b"\0\0\xc0\x7f")
    assert isinstance(launched, Launch)
    assert launched.arguments[1] == Pointer(buffer=1, offset=400)
    assert launched.arguments[3:] == (Scalar(type="i32", value=1000), Scalar(type="fp32", value=0.5))
    assert plan.outputs[1] == Output(place=Pointer(buffer=2, offset=4096), form=CALL.outputs[1])
    assert recording.plans["n=0"].steps == ()


@pytest.mark.parametrize(
    "wrap", [bytes, bytearray, memoryview, lambda data: Buffer(dtype="|u1", shape=(len(data),), data=data)]
)
def test_bytes_come_in_many_forms(wrap: Callable[[bytes], object]) -> None:
    reply = (wrap(json.dumps(honest()).encode()), wrap(ADD))
    assert read_recording(reply, (CALL, EMPTY), architecture=90).cubins == (ADD,)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0.25, 0.25), ("inf", math.inf), ("-inf", -math.inf), (1, 1.0), (1e300, math.inf), (-1e300, -math.inf)],
)
def test_floats_by_value(value: object, wanted: float) -> None:
    plan = read(changed(launch("arguments", 4, 2, to=value))).plans["n=1000"]
    assert plan.launches[0].arguments[4] == Scalar(type="fp32", value=wanted)


def test_a_number_beyond_every_float() -> None:
    assert refusal(json.dumps(honest()).replace("0.5", "1e999")).check == FORM


def test_an_array_of_something_else_is_no_cubin() -> None:
    floats = Buffer(dtype="<f4", shape=(1,), data=bytes(4))
    with pytest.raises(RefusedError, match="not an array of '<f4'"):
        read_recording([json.dumps(honest()), floats], (CALL, EMPTY), architecture=90)


def test_a_float_that_is_none() -> None:
    plan = read(changed(launch("arguments", 4, 2, to="nan"))).plans["n=1000"]
    argument = plan.launches[0].arguments[4]
    assert isinstance(argument, Scalar)
    assert math.isnan(argument.value)


def test_a_null_pointer() -> None:
    plan = read(changed(launch("arguments", 1, to=["n"]))).plans["n=1000"]
    assert plan.launches[0].arguments[1] == Null()


def test_a_pointer_right_behind_a_buffer() -> None:
    read(changed(launch("arguments", 1, to=["p", 3, 0])))
    read(changed(launch("arguments", 1, to=["p", 0, 4000])))


MALFORMED: list[Change] = [
    lambda claim: claim.pop("triton"),
    lambda claim: claim.pop("kernels"),
    lambda claim: claim.pop("calls"),
    put("triton", to=3.6),
    put("triton", to="3.6\x1b[31m"),
    put("triton", to="3" * 1000),
    put("kernels", to={}),
    put("kernels", 0, to=[]),
    lambda claim: claim["kernels"][0].pop("signature"),
    kernel("num_warps", True),
    kernel("num_warps", 4.0),
    kernel("num_warps", "4"),
    kernel("num_warps", None),
    kernel("num_warps", -4),
    kernel("num_warps", 10**4000),
    kernel("name", "add; rm"),
    kernel("name", ""),
    kernel("name", "a" * 2000),
    kernel("name", "\ud800"),
    kernel("signature", ["*fp32", "*fp32", "*fp32", "i32", "quaternion"]),
    kernel("signature", ["*fp32", "*fp32", "*fp32", "i32", 4]),
    kernel("signature", "*fp32"),
    put("calls", to=None),
    put("calls", 0, to="n=1000"),
    call("buffers", to=7),
    call("buffers", 0, to=4000),
    call("buffers", 0, "bytes", to=True),
    call("buffers", 0, "bytes", to=4000.0),
    call("buffers", 2, "bytes", to=-1),
    call("buffers", 2, "bytes", to=1 << 60),
    call("buffers", 0, "argument", to=None),
    call("steps", to={"fill": []}),
    call("steps", 1, to=[0]),
    launch("kernel", to=1),
    launch("kernel", to=-1),
    launch("kernel", to=False),
    launch("grid", to=[1, 1]),
    launch("grid", to=[1, 1, True]),
    launch("grid", to=[1, 1, -1]),
    launch("grid", to=[1, 1, 1.5]),
    launch("arguments", to={}),
    launch("arguments", 0, to=[]),
    launch("arguments", 0, to="p"),
    launch("arguments", 0, to=[["p"], 0, 0]),
    launch("arguments", 0, to=["q", 0, 0]),
    launch("arguments", 0, to=["p", 0]),
    launch("arguments", 0, to=["p", 0, 0, 0]),
    launch("arguments", 0, to=["p", 0.0, 0]),
    launch("arguments", 0, to=["p", 0, False]),
    launch("arguments", 0, to=["p", 0, 1 << 70]),
    launch("arguments", 1, to=["n", 0]),
    launch("arguments", 3, to=["s", "i32"]),
    launch("arguments", 3, to=["s", ["i32"], 5]),
    launch("arguments", 3, to=["s", "i32", 1000.0]),
    launch("arguments", 3, to=["s", "i32", True]),
    launch("arguments", 3, to=["s", "i32", 1 << 90]),
    launch("arguments", 4, to=["s", "fp32", None]),
    launch("arguments", 4, to=["s", "fp32", "infinity"]),
    launch("arguments", 4, to=["s", "fp32", False]),
    launch("arguments", 4, to=["s", "fp32", 10**400]),
    call("steps", 0, "fill", to=[2, 0, 4]),
    call("steps", 0, "fill", 2, to=-1),
    call("steps", 0, "fill", 3, to="0"),
    call("steps", 0, "fill", 3, to=""),
    call("steps", 0, "fill", 3, to="000000"),
    call("steps", 0, "fill", 3, to="zz"),
    call("steps", 0, "fill", 3, to="00" * 8),
    call("steps", 0, "fill", 3, to=0),
    call("outputs", to=None),
    call("outputs", 0, to=[2, 0, "float32"]),
    call("outputs", 0, 2, to=32),
    call("outputs", 0, 3, to=1000),
    call("outputs", 0, 3, to=[True]),
    call("outputs", 0, 3, to=[-1000]),
    call("outputs", 0, 3, to=[1] * 1000),
]


@pytest.mark.parametrize("change", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_claims(change: Change) -> None:
    refused = refusal(changed(change))
    assert (refused.check, refused.outcome) == (FORM, Outcome.CHEATED)
    assert len(refused.reason) < 500
    assert refused.reason.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"triton": NaN}',
        '{"triton": Infinity}',
        '{"triton": ' + "9" * 5000 + "}",
        b"\xff\xfe",
        "{} {}",
    ],
    ids=range(11),
)
def test_texts_that_are_no_recording(text: str | bytes) -> None:
    assert refusal(text).check == FORM


@pytest.mark.parametrize(
    "reply",
    [
        None,
        7,
        "text",
        [],
        {},
        b"",
        [None],
        [np.zeros(3)],
        ["{}", None],
        ["{}", np.zeros(4)],
        ["{}", "cubin"],
        ["\ud800"],
    ],
    ids=range(12),
)
def test_replies_that_are_no_recording(reply: object) -> None:
    with pytest.raises(RefusedError) as caught:
        read_recording(reply, (CALL,), architecture=90)
    assert (caught.value.check, caught.value.outcome) == (FORM, Outcome.CHEATED)


CHEATED: list[tuple[str, Change]] = [
    (names.CALLS, call("name", to="n=1001")),
    (names.CALLS, call("name", to=None)),
    (names.CALLS, call("name", to="n=0")),
    (names.CALLS, lambda claim: claim["calls"].pop()),
    (names.CALLS, lambda claim: claim["calls"].append(claim["calls"][0])),
    (names.SYMBOL, kernel("name", "mul")),
    (names.SYMBOL, kernel("cubin", 1)),
    (names.OPTIONS, kernel("num_warps", 8)),
    (names.OPTIONS, kernel("num_warps", 0)),
    (names.OPTIONS, kernel("num_ctas", 0)),
    (names.OPTIONS, kernel("num_ctas", 32)),
    (names.OPTIONS, kernel("global_scratch_align", 0)),
    (names.OPTIONS, kernel("global_scratch_align", 48)),
    (names.OPTIONS, kernel("global_scratch_align", 1 << 20)),
    (names.OPTIONS, kernel("profile_scratch", 64)),
    (names.SIGNATURE, kernel("signature", ["*fp32", "*fp32", "*fp32", "i32"])),
    (names.SIGNATURE, kernel("signature", ["*fp32", "*fp32", "*fp32", "i64", "fp32"])),
    (names.SIGNATURE, kernel("signature", ["*fp32", "*fp32", "*fp32", "*fp32", "i32", "fp32"])),
    (names.SIGNATURE, kernel("signature", ["*fp32"] * 300)),
    (names.SIGNATURE, launch("arguments", 4, to=["p", 0, 0])),
    (names.SIGNATURE, launch("arguments", 0, to=["s", "i64", 1 << 45])),
    (names.SIGNATURE, launch("arguments", 3, to=["s", "i64", 5])),
    (names.SIGNATURE, launch("arguments", 3, to=["n"])),
    (names.SIGNATURE, lambda claim: claim["calls"][0]["steps"][1]["arguments"].pop()),
    (names.SIGNATURE, lambda claim: claim["calls"][0]["steps"][1]["arguments"].append(["s", "i32", 1])),
    (names.BUFFERS, call("buffers", 0, "bytes", to=4004)),
    (names.BUFFERS, call("buffers", 0, "argument", to="y")),
    (names.BUFFERS, call("buffers", 0, "argument", to="")),
    (names.BUFFERS, call("buffers", 2, "argument", to="x")),
    (names.BUFFERS, call("buffers", to=[])),
    (names.BUFFERS, lambda claim: claim["calls"][0]["buffers"].reverse()),
    (names.POINTER, launch("arguments", 0, to=["p", 4, 0])),
    (names.POINTER, launch("arguments", 0, to=["p", -1, 0])),
    (names.POINTER, launch("arguments", 0, to=["p", 0, 4004])),
    (names.POINTER, launch("arguments", 0, to=["p", 0, -4])),
    (names.POINTER, launch("arguments", 0, to=["p", 0, 2])),
    (names.POINTER, launch("arguments", 0, to=["p", 3, 4])),
    (names.POINTER, call("steps", 0, "fill", 0, to=9)),
    (names.POINTER, call("steps", 0, "fill", 1, to=4098)),
    (names.POINTER, call("outputs", 0, 0, to=4)),
    (names.POINTER, call("outputs", 0, 1, to=2)),
    (names.POINTER, call("outputs", 0, 1, to=-4000)),
    (names.SCALAR, launch("arguments", 3, 2, to=1 << 31)),
    (names.SCALAR, launch("arguments", 3, 2, to=-(1 << 31) - 1)),
    (names.GRID, launch("grid", to=[0, 1, 1])),
    (names.FILL, call("steps", 0, "fill", 2, to=1025)),
    (names.FILL, call("steps", 0, "fill", to=[2, 0, 1 << 46, "0000"])),
    (names.OUTPUT_PLACE, call("outputs", 0, 0, to=0)),
    (names.OUTPUT_PLACE, call("outputs", 0, 1, to=4200)),
    (names.OUTPUT_PLACE, call("outputs", 1, 1, to=3996)),
    (names.OUTPUT_PLACE, call("outputs", 1, 1, to=0)),
]


@pytest.mark.parametrize(("check", "change"), CHEATED, ids=range(len(CHEATED)))
def test_claims_that_no_honest_recorder_makes(check: str, change: Change) -> None:
    refused = refusal(changed(change))
    assert (refused.check, refused.outcome) == (check, Outcome.CHEATED)
    assert refused.reason.isprintable()
    assert caught_by_another(change, check) != check


WRONG: list[tuple[str, Change]] = [
    (names.OUTPUTS, lambda claim: claim["calls"][0]["outputs"].pop()),
    (names.OUTPUTS, call("outputs", to=[])),
    (names.OUTPUT_DTYPE, call("outputs", 0, 2, to="bfloat16")),
    (names.OUTPUT_DTYPE, call("outputs", 0, 2, to="no such")),
    (names.OUTPUT_SHAPE, call("outputs", 0, 3, to=[1, 1000])),
    (names.OUTPUT_SHAPE, call("outputs", 0, 3, to=[999])),
    (names.FILL, call("steps", 0, "fill", to=[0, 0, 1, "00"])),
]


@pytest.mark.parametrize(("check", "change"), WRONG, ids=range(len(WRONG)))
def test_outputs_of_other_forms_are_wrong(check: str, change: Change) -> None:
    refused = refusal(changed(change))
    assert (refused.check, refused.outcome) == (check, Outcome.WRONG)
    read(changed(change), off=frozenset({check}))


def repeated(step: int, times: int) -> Change:
    def change(claim: Claim) -> None:
        claim["calls"][0]["steps"] += [claim["calls"][0]["steps"][step]] * times

    return change


GREEDY: list[tuple[str, Change]] = [
    (names.SHARED, kernel("shared", 232_449)),
    (names.MEMORY, call("buffers", 3, "bytes", to=(256 << 20) + 50_000)),
    (names.MEMORY, kernel("global_scratch", 300 << 20)),
    (names.COUNTS, repeated(1, 64)),
    (names.COUNTS, repeated(0, 64)),
    (names.COUNTS, lambda claim: claim["kernels"].extend(claim["kernels"] * 64)),
    (names.COUNTS, lambda claim: claim["calls"][0]["buffers"].extend([{"bytes": 0, "argument": ""}] * 256)),
]


@pytest.mark.parametrize(("check", "change"), GREEDY, ids=range(len(GREEDY)))
def test_more_than_there_is(check: str, change: Change) -> None:
    refused = refusal(changed(change))
    assert (refused.check, refused.outcome) == (check, Outcome.OUT_OF_MEMORY)
    read(changed(change), off=frozenset({check}))


def test_the_most_is_allowed() -> None:
    claim = changed(repeated(1, 63))
    claim["kernels"][0]["shared"] = 232_448
    claim["calls"][0]["buffers"][3]["bytes"] = 256 << 20
    read(claim)


@pytest.mark.parametrize("grid", [[1 << 31, 1, 1], [1, 65_536, 1], [1, 1, 65_536]])
def test_a_grid_that_cannot_be_launched(grid: list[int]) -> None:
    refused = refusal(changed(launch("grid", to=grid)))
    assert (refused.check, refused.outcome) == (names.GRID, Outcome.CRASHED)
    read(changed(launch("grid", to=[(1 << 31) - 1, 65_535, 65_535])))


def test_clusters_widen_the_grid() -> None:
    claim = changed(launch("grid", to=[1 << 30, 1, 1]))
    read(claim)
    claim["kernels"][0]["num_ctas"] = 2
    assert refusal(claim).check == names.GRID


def test_cubins_are_checked() -> None:
    assert refusal(honest(), ADD[:-1]).check == names.CUBIN
    assert refusal(honest(), ADD, b"").check == names.CUBIN
    assert refusal(honest(), ADD.replace(b".nv.callgraph\0", b".nv.global\0\0\0\0")).check == names.GLOBALS
    with pytest.raises(RefusedError, match="sm_90, not sm_80"):
        read_recording([json.dumps(honest()), ADD], (CALL, EMPTY), architecture=80)


@pytest.mark.parametrize("check", [names.CUBIN, names.GLOBALS])
def test_checks_of_cubins_can_be_switched_off(check: str) -> None:
    state = ADD.replace(b".nv.callgraph\0", b".nv.global\0\0\0\0")
    cubins = (ADD, b"") if check == names.CUBIN else (state,)
    read(honest(), *cubins, off=frozenset({check}))


def test_cubins_may_not_be_large() -> None:
    limits = PlanLimits(cubin_bytes=len(ADD), all_cubins_bytes=2 * len(ADD))
    read(honest(), ADD, ADD, limits=limits)
    assert refusal(honest(), ADD, ADD, ADD, limits=limits).outcome is Outcome.OUT_OF_MEMORY
    smaller = replace(limits, cubin_bytes=len(ADD) - 1)
    refused = refusal(honest(), limits=smaller)
    assert (refused.check, refused.outcome) == (names.COUNTS, Outcome.OUT_OF_MEMORY)
    read(honest(), limits=smaller, off=frozenset({names.COUNTS}))


def test_there_are_not_many_cubins() -> None:
    refused = refusal(honest(), ADD, ADD, limits=PlanLimits(kernels=1))
    assert (refused.check, refused.outcome) == (names.COUNTS, Outcome.OUT_OF_MEMORY)


def test_the_text_may_not_be_long() -> None:
    refused = refusal(honest(), limits=PlanLimits(text_bytes=500))
    assert (refused.check, refused.outcome) == (names.COUNTS, Outcome.OUT_OF_MEMORY)


def test_stacks_may_not_be_large() -> None:
    refused = refusal(honest(), limits=PlanLimits(local_bytes=-1))
    assert (refused.check, refused.outcome) == (names.LOCAL, Outcome.OUT_OF_MEMORY)


def test_shared_memory_depends_on_the_device() -> None:
    limits = PlanLimits()
    assert limits.shared_bytes_of(90) == 232_448
    assert limits.shared_bytes_of(86) == 101_376
    assert limits.shared_bytes_of(999) == 49_152
    assert PlanLimits(shared_bytes=1000).shared_bytes_of(90) == 1000


def test_a_million_steps_are_refused_at_once() -> None:
    claim = honest()
    claim["calls"][0]["steps"] = [{}] * 1_000_000
    text = json.dumps(claim)
    started = time.process_time()
    assert refusal(text).check == names.COUNTS
    assert refusal(text, limits=PlanLimits(text_bytes=1 << 30)).check == names.COUNTS
    assert time.process_time() - started < 20


def descriptor(**changes: object) -> Claim:
    """A recording whose kernel takes a descriptor in place of its first pointer, which its cubin does not."""
    claim = honest()
    claim["kernels"][0]["signature"][0] = "tensordesc<fp32[16, 4]>"
    tensor = {
        "place": [1, 0],
        "shape": [10, 100],
        "strides": [100, 1],
        "block": [16, 4],
        "element": 7,
        "item_bytes": 4,
        "swizzle": 0,
        "padding": 0,
        **changes,
    }
    claim["calls"][0]["steps"][1]["arguments"][0] = ["m", tensor]
    return claim


def test_a_descriptor() -> None:
    recording = read(descriptor(), off=frozenset({names.SIGNATURE}))
    tensor = recording.plans["n=1000"].launches[0].arguments[0]
    assert (tensor.shape, tensor.strides, tensor.block) == ((10, 100), (100, 1), (16, 4))
    assert refusal(descriptor()).check == names.SIGNATURE  # the cubin takes no such parameter


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        (names.DESCRIPTOR, {"shape": [11, 100]}),
        (names.DESCRIPTOR, {"shape": [0, 100]}),
        (names.DESCRIPTOR, {"place": [1, 16]}),
        (names.DESCRIPTOR, {"strides": [100, 2]}),
        (names.DESCRIPTOR, {"strides": [99, 1]}),
        (names.DESCRIPTOR, {"strides": [1 << 45, 1]}),
        (names.DESCRIPTOR, {"block": [512, 4]}),
        (names.DESCRIPTOR, {"block": [0, 4]}),
        (names.DESCRIPTOR, {"element": 9}),
        (names.DESCRIPTOR, {"element": 13}),
        (names.DESCRIPTOR, {"swizzle": 4}),
        (names.DESCRIPTOR, {"padding": 2}),
        (names.DESCRIPTOR, {"shape": [10], "strides": [1], "block": [16]}),
        (names.POINTER, {"place": [7, 0]}),
        (names.POINTER, {"place": [1, 4]}),
        (FORM, {"place": [1]}),
        (FORM, {"place": {}}),
        (FORM, {"shape": [10, 10, 10]}),
        (FORM, {"shape": [], "strides": [], "block": []}),
        (FORM, {"shape": [1 << 60, 1]}),
        (FORM, {"swizzle": None}),
        (FORM, {"block": [True, 4]}),
    ],
)
def test_descriptors_that_could_not_be(check: str, changes: Claim) -> None:
    with pytest.raises(RefusedError) as caught:
        read(descriptor(**changes), off=frozenset({names.SIGNATURE}))
    assert (caught.value.check, caught.value.outcome) == (check, Outcome.CHEATED)
    if check == names.DESCRIPTOR:
        read(descriptor(**changes), off=frozenset({names.SIGNATURE, check}))


JUNK: list[object] = [
    None,
    True,
    -1,
    0,
    1,
    2**40,
    2**80,
    0.5,
    "",
    "nan",
    "p",
    "x",
    [],
    [[]],
    {},
    {"fill": 1},
    [1, 2, 3, 4],
]


def spoil(node: object, chance: random.Random) -> None:
    """Replace, drop or double something at a random depth."""
    while isinstance(node, dict | list) and node:
        key = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
        if isinstance(node[key], dict | list) and node[key] and chance.random() < 0.8:
            node = node[key]
            continue
        action = chance.randrange(4)
        if action == 0:
            del node[key]
        elif action == 1 and isinstance(node, list):
            node.append(node[key])
        else:
            node[key] = chance.choice(JUNK)
        return


@pytest.mark.parametrize("off", [frozenset(), frozenset(CHECKS)], ids=["all checks", "no checks"])
def test_spoilt_claims_are_read_or_refused_but_nothing_else(off: frozenset[str]) -> None:
    chance = random.Random(6)
    refused = 0
    for _ in range(1500):
        claim = honest() if chance.random() < 0.7 else descriptor()
        for _ in range(chance.choice((1, 1, 2, 5))):
            spoil(claim, chance)
        try:
            read(claim, off=off)
        except RefusedError:
            refused += 1
    assert 500 < refused < 1500


def test_every_check_is_tried_here() -> None:
    needed = {check for check, change in (*CHEATED, *WRONG, *GREEDY) if not caught_by_another(change, check)}
    elsewhere = {names.CUBIN, names.GLOBALS, names.LOCAL, names.DESCRIPTOR}
    assert needed | elsewhere == set(CHECKS)
