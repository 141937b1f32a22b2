"""Kernel parameters as raw bytes."""

from __future__ import annotations

import ctypes
import math
import struct

import pytest

from evaluators.kernels.gpu.cuda import MAP_ALIGN, MAP_BYTES
from evaluators.kernels.gpu.parameters import Parameters, parameter_bytes, scalar_bytes
from evaluators.kernels.plan import Null, Pointer, Scalar, TensorMap


@pytest.mark.parametrize(
    ("kind", "value", "layout"),
    [
        ("i1", 1, "<q"),
        ("i8", -3, "<q"),
        ("i32", -2_147_483_648, "<q"),
        ("i64", -(1 << 63), "<q"),
        ("u32", 4_294_967_295, "<q"),
        ("u64", (1 << 64) - 1, "<Q"),
        ("fp64", 0.1, "<d"),
        ("fp32", 0.5, "<f"),
        ("fp16", -1.5, "<e"),
    ],
)
def test_numbers_are_little_endian_in_eight_bytes(kind: str, value: float, layout: str) -> None:
    found = scalar_bytes(Scalar(type=kind, value=value))
    assert len(found) == 8
    assert struct.unpack(layout, found[: struct.calcsize(layout)])[0] == value


def test_bfloat16_is_the_upper_half_of_fp32_cut_off() -> None:
    found = scalar_bytes(Scalar(type="bf16", value=3.14159))
    assert found[:2] == struct.pack("<f", 3.14159)[2:]
    assert found[2:] == bytes(6)


@pytest.mark.parametrize(("kind", "layout"), [("fp32", "<f"), ("fp16", "<e"), ("fp64", "<d")])
def test_floats_beyond_their_type_and_no_numbers_at_all(kind: str, layout: str) -> None:
    def packed(value: float) -> float:
        found = scalar_bytes(Scalar(type=kind, value=value))
        return float(struct.unpack(layout, found[: struct.calcsize(layout)])[0])

    assert packed(math.inf) == math.inf
    assert packed(-math.inf) == -math.inf
    assert math.isnan(packed(math.nan))
    if kind != "fp64":
        assert packed(1e300) == math.inf
        assert packed(-1e300) == -math.inf


def test_the_largest_half_stays_finite() -> None:
    found = scalar_bytes(Scalar(type="fp16", value=65519.0))
    assert struct.unpack("<e", found[:2])[0] == 65504.0


def test_unknown_types_are_refused() -> None:
    with pytest.raises(ValueError, match="f8"):
        scalar_bytes(Scalar(type="f8", value=1.0))


def test_parameters_come_in_order_with_both_scratch_pointers_at_the_end() -> None:
    place = Pointer(buffer=1, offset=32)
    box = TensorMap(place=place, shape=(4, 8), strides=(8, 1), block=(2, 8), element=9, item_bytes=2, swizzle=3)
    parts = parameter_bytes(
        [Pointer(buffer=0, offset=16), Scalar(type="i32", value=5), Null(), box],
        lambda pointer: 0x1000 * (pointer.buffer + 1) + pointer.offset,
        lambda tensor, address: address.to_bytes(MAP_BYTES, "little"),
        0xABC00,
    )
    assert [int.from_bytes(part, "little") for part in parts] == [0x1010, 5, 0, 0x2020, 4, 8, 8, 1, 0xABC00, 0]
    assert [len(part) for part in parts] == [8, 8, 8, MAP_BYTES, 8, 8, 8, 8, 8, 8]


def test_the_array_points_at_every_parameter_and_descriptors_are_aligned() -> None:
    parts = [b"\x01" * 8, b"\x02" * MAP_BYTES, b"\x03" * 8, b"\x04" * MAP_BYTES]
    parameters = Parameters(parts)
    addresses = list(parameters.addresses)
    assert [ctypes.string_at(address, len(part)) for address, part in zip(addresses, parts, strict=True)] == parts
    assert addresses[1] % MAP_ALIGN == addresses[3] % MAP_ALIGN == 0
    assert all(address % 8 == 0 for address in addresses)
