from __future__ import annotations

import pytest

from sandbox.inside.identity import COUNT, FIRST_ID, pick


def line(*ranges: tuple[int, int]) -> str:
    return "".join(f"{first:>10} {first + 7:>10} {count:>10}\n" for first, count in ranges)


ALL = line((0, (1 << 32) - 1))
CONTAINER = line((0, 65536))
ROOTLESS = line((0, 1), (1, 65536))


def test_an_id_that_nobody_else_has() -> None:
    seen = {pick((ALL, ALL)) for _ in range(50)}
    assert len(seen) > 40
    assert all(number is not None and FIRST_ID <= number < FIRST_ID + COUNT for number in seen)


@pytest.mark.parametrize("text", [CONTAINER, ROOTLESS])
def test_an_id_that_a_container_maps_and_that_is_not_nobody(text: str) -> None:
    for _ in range(100):
        number = pick((text, text))
        assert number is not None
        assert 32768 <= number < 65534


@pytest.mark.parametrize("maps", [(line((0, 1)), line((0, 1))), (CONTAINER, line((0, 1))), (line((0, 9)), ALL)])
def test_none_where_no_further_ids_are_mapped(maps: tuple[str, str]) -> None:
    assert pick(maps) is None
