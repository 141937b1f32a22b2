"""Slabs, guards and poisons, on the processor: nothing in them needs a GPU."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from evaluators.kernels.forms import Call, Form  # noqa: E402
from evaluators.kernels.gpu.memory import (  # noqa: E402
    ALIGN,
    END_BYTES,
    GUARD_BYTES,
    NAN_BYTE,
    Arguments,
    Slab,
    as_tensor,
    lay_out,
    unwritten,
)
from evaluators.model import EvaluatorError  # noqa: E402


def test_storages_are_aligned_and_apart() -> None:
    layout = lay_out([10, 0, 256, 1])
    ends = [start + size for start, size in zip(layout.starts, layout.sizes, strict=True)]
    assert all(start % ALIGN == 0 for start in layout.starts)
    assert layout.starts[0] >= END_BYTES
    assert layout.total - ends[-1] >= END_BYTES
    assert layout.total % ALIGN == 0
    assert all(start - end >= GUARD_BYTES for start, end in zip(layout.starts[1:], ends[:-1], strict=True))


def test_guards_and_storages_together_are_the_whole_slab() -> None:
    layout = lay_out([10, 0, 300])
    pieces = [*layout.guards, *((start, start + size) for start, size in zip(layout.starts, layout.sizes, strict=True))]
    place = 0
    for start, end in sorted(pieces):
        assert start == place
        place = end
    assert place == layout.total


def test_a_slab_of_nothing_is_all_guard() -> None:
    layout = lay_out([])
    assert layout.guards == ((0, layout.total),)
    assert Slab([], [], "cpu").damage() is None


def test_addresses_are_aligned_and_lie_where_the_bytes_do() -> None:
    slab = Slab([10, 20], ["a", "b"], "cpu")
    assert slab.address(0) % ALIGN == slab.address(1) % ALIGN == 0
    assert slab.bytes_at(1, 4, 3).data_ptr() == slab.address(1) + 4


@pytest.mark.parametrize("byte", [0, 0x5A, 0x80, NAN_BYTE])
def test_poison_fills_storages_and_guards(byte: int) -> None:
    slab = Slab([10], ["a"], "cpu")
    slab.poison(byte)
    assert slab.bytes_at(0, 0, 10).tolist() == [byte] * 10
    assert slab.bytes_at(0, -3, 3).tolist() == [byte] * 3
    assert slab.damage() is None


def test_writing_inside_a_storage_is_no_damage() -> None:
    slab = Slab([10, 10], ["a", "b"], "cpu")
    slab.bytes_at(0, 0, 10).fill_(7)
    assert slab.damage() is None


@pytest.mark.parametrize(
    ("storage", "offset", "told"),
    [
        (0, 10, "0 bytes past the end of a"),
        (0, 12, "2 bytes past the end of a"),
        (1, 10 + GUARD_BYTES, f"{GUARD_BYTES} bytes past the end of b"),
        (0, -1, "1 bytes before a"),
        (0, -END_BYTES, f"{END_BYTES} bytes before a"),
    ],
)
def test_a_single_byte_outside_is_found_and_placed(storage: int, offset: int, told: str) -> None:
    slab = Slab([10, 10], ["a", "b"], "cpu")
    slab.poison(0x11)
    slab.bytes_at(storage, offset, 1).fill_(0x12)
    assert slab.damage() == told


def test_bytes_become_tensors_of_a_form() -> None:
    raw = torch.arange(6, dtype=torch.float32).view(torch.uint8)
    assert as_tensor(raw, Form(dtype="float32", shape=(2, 3))).tolist() == [[0, 1, 2], [3, 4, 5]]
    truths = torch.tensor([0, 1, 255], dtype=torch.uint8)
    assert as_tensor(truths, Form(dtype="bool", shape=(3,))).tolist() == [False, True, True]
    nothing = torch.empty(0, dtype=torch.uint8)
    assert as_tensor(nothing, Form(dtype="bfloat16", shape=(0, 8))).shape == (0, 8)
    single = torch.tensor([7], dtype=torch.int64).view(torch.uint8)
    assert as_tensor(single, Form(dtype="int64", shape=())).item() == 7


def test_an_item_is_unwritten_only_if_both_calls_left_all_of_its_bytes() -> None:
    form = Form(dtype="int16", shape=(3,))
    first = torch.tensor([1, 1, 2, 2, 5, 6], dtype=torch.uint8)
    assert unwritten(first, torch.tensor([9, 9, 7, 9, 9, 9], dtype=torch.uint8), (1, 9), form) == 0
    assert unwritten(first, torch.tensor([1, 1, 9, 9, 9, 9], dtype=torch.uint8), (1, 9), form) is None
    assert unwritten(first, torch.tensor([1, 1, 9, 9, 9, 9], dtype=torch.uint8), (2, 9), form) == 1
    empty = torch.empty(0, dtype=torch.uint8)
    assert unwritten(empty, empty, (1, 9), Form(dtype="int16", shape=(0, 4))) is None


CALL = Call(
    name="c",
    tensors={
        "x": Form(dtype="bfloat16", shape=(3, 5)),
        "none": Form(dtype="int32", shape=(0,)),
        "f": Form(dtype="bool", shape=(2,)),
    },
    outputs=(),
)


def _contents() -> dict[str, torch.Tensor]:
    return {
        "x": torch.randn(3, 5).bfloat16(),
        "none": torch.empty(0, dtype=torch.int32),
        "f": torch.tensor([True, False]),
    }


def test_arguments_hold_what_was_copied_in_and_notice_a_change() -> None:
    arguments, contents = Arguments(CALL, "cpu"), _contents()
    arguments.refresh(contents)
    assert torch.equal(arguments.tensors["x"], contents["x"])
    assert arguments.changed(contents) is None
    assert arguments.slab.damage() is None
    arguments.tensors["x"][2, 1] += 1
    told = arguments.changed(contents)
    assert told is not None
    assert "'x'" in told
    assert "item 11" in told


def test_a_nan_that_stays_is_no_change() -> None:
    arguments, contents = Arguments(CALL, "cpu"), _contents()
    contents["x"][0, 0] = float("nan")
    arguments.refresh(contents)
    assert arguments.changed(contents) is None


def test_contents_of_another_form_are_the_tasks_fault() -> None:
    arguments, contents = Arguments(CALL, "cpu"), _contents()
    with pytest.raises(EvaluatorError, match="mend"):
        arguments.refresh({**contents, "x": contents["x"].float()})
    with pytest.raises(EvaluatorError, match="nothing"):
        arguments.refresh({"x": contents["x"]})
