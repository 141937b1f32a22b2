"""Ways to spoil an honest reply; each is refused by exactly one of the declared checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from evaluators.replies import Array, Expected

Spoil = Callable[[Array, np.random.Generator], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """One way to spoil a reply.

    Args:
        name: what is done to it.
        spoil: does it; gives something that differs from the honest reply.
    """

    name: str
    spoil: Spoil


def corruptions(expected: Expected) -> list[Corruption]:
    """Every way that makes sense for replies of this form, those of its own rules included."""
    ways = [*_no_array(), *_other_types(expected), *_other_shapes(expected), *_other_values(expected)]
    ways += [Corruption(name=f"breaks the rule: {rule.name}", spoil=rule.spoil) for rule in expected.rules]
    return ways


def _no_array() -> Iterator[Corruption]:
    yield Corruption(name="nothing", spoil=lambda _value, _rng: None)
    yield Corruption(name="a number", spoil=lambda _value, _rng: 0)
    yield Corruption(name="text", spoil=lambda _value, _rng: "1e9")
    yield Corruption(name="an empty list", spoil=lambda _value, _rng: ())
    yield Corruption(name="the right values as a list", spoil=lambda value, _rng: value.tolist())
    yield Corruption(name="two arrays", spoil=lambda value, _rng: (value, value))
    yield Corruption(name="a dictionary", spoil=lambda value, _rng: {"value": value.tolist(), "score": 1e9})


def _other_types(expected: Expected) -> Iterator[Corruption]:
    for name in ("int64", "int32", "int16", "uint32", "float64", "float32", "bool"):
        if np.dtype(name) != np.dtype(expected.dtype):
            yield Corruption(name=f"as {name}", spoil=partial(_cast, name))


def _cast(name: str, value: Array, rng: np.random.Generator) -> Array:
    del rng
    with np.errstate(invalid="ignore"):  # a NaN as an integer is one more wrong value
        return value.astype(name)


def _other_shapes(expected: Expected) -> Iterator[Corruption]:
    axes = len(expected.shape)
    yield Corruption(name="one axis more", spoil=lambda value, _rng: value[None])
    if axes == 0:
        return
    yield Corruption(name="empty", spoil=lambda value, _rng: value[:0])
    yield Corruption(name="first row missing", spoil=lambda value, _rng: value[1:])
    yield Corruption(name="last row twice", spoil=lambda value, _rng: np.concatenate([value, value[-1:]]))
    yield Corruption(
        name="twice the capacity", spoil=lambda value, _rng: np.concatenate([value, value], axis=value.ndim - 1)
    )
    if axes > 1:
        yield Corruption(name="last column missing", spoil=lambda value, _rng: value[..., :-1])
        yield Corruption(name="flattened", spoil=lambda value, _rng: value.reshape(-1))
        yield Corruption(name="one row for all to be broadcast", spoil=lambda value, _rng: value[:1])
        if expected.shape != expected.shape[::-1]:
            yield Corruption(name="transposed", spoil=lambda value, _rng: value.T.copy())


def _other_values(expected: Expected) -> Iterator[Corruption]:
    kind = np.dtype(expected.dtype).kind
    if kind == "f":
        for name, wrong in (("NaN", np.nan), ("infinity", np.inf), ("minus infinity", -np.inf)):
            yield Corruption(name=f"{name} in one place", spoil=partial(_put, wrong))
        yield Corruption(name="NaN everywhere", spoil=lambda value, _rng: np.full_like(value, np.nan))
    for name, beyond in (("below", _beyond(expected, -1)), ("above", _beyond(expected, 1))):
        if beyond is not None:
            yield Corruption(name=f"one value {name} the range", spoil=partial(_put, beyond))
    if kind in "iu" and expected.low is not None and expected.high is not None:
        limits = np.iinfo(expected.dtype)
        if limits.min < expected.low:
            yield Corruption(name="the smallest integer", spoil=partial(_put, limits.min))
        if limits.max > expected.high:
            yield Corruption(name="the largest integer", spoil=partial(_put, limits.max))
        if expected.high < 1 << 8 * (np.dtype(expected.dtype).itemsize - 1):  # else it may well be in range
            yield Corruption(name="bytes of another order", spoil=_swap_bytes)


def _beyond(expected: Expected, direction: int) -> float | None:
    """The nearest value outside the range on one side; None where there is no bound, or the type ends there."""
    bound = expected.low if direction < 0 else expected.high
    if bound is None:
        return None
    if np.dtype(expected.dtype).kind == "f":
        kind = np.dtype(expected.dtype).type
        value = float(np.nextafter(kind(bound), kind(direction * np.inf)))
        return value if np.isfinite(value) else None
    if np.dtype(expected.dtype).kind not in "iu":
        return None
    limits = np.iinfo(expected.dtype)
    value = bound + direction
    return value if limits.min <= value <= limits.max else None


def _swap_bytes(value: Array, rng: np.random.Generator) -> Array:
    del rng
    return value.byteswap()


def _put(wrong: float, value: Array, rng: np.random.Generator) -> Array:
    spoilt = value.copy()
    spoilt.flat[rng.integers(value.size)] = wrong
    return spoilt
