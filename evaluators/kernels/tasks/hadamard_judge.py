"""What is right for rotated and quantised vectors, and what is wrong with outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.kernels.task import Fault
from evaluators.kernels.tasks.errors import (
    TINY,
    beyond_element,
    beyond_overall,
    error_of,
    first,
    not_finite,
)
from evaluators.kernels.tasks.hadamard_laws import signs

LARGEST = 7.0
"""Code of the largest element of a row; -8 is never used, so that both signs are treated alike."""

TIMES_HONEST = 4.0
# A float32 sum of 128 terms is off by a few units of 2**-24 of the sum of their sizes, in whatever order it is added:
# by less than 4 in a tree, by some 8 one by one; matrix units cut off where others round. Twice of that.
SUM = 2.0**-20
# A constant, a division by an approximate reciprocal and a product: some units in the last place together.
SCALING = 2.0**-21
LEAST_ELEMENT, LEAST_OVERALL, LEAST_BIAS = 2.0**-20, 2.0**-20, 2.0**-21
HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HadamardTruth:
    """What is right.

    Args:
        steps: rotated elements over the scale of their row, float64 ``[R, 128]`` in -7 .. 7; 0 in rows of zeros.
        slack: how far from half-way between two codes either of them is right, in steps, float64 ``[R]``.
        scale: float64 ``[R]``.
        element: how far a scale may be off, relative, float64 ``[R]``.
        overall: how far all scales may be off, root mean square of relative errors.
        bias: how far the mean of relative errors may be from 0.
    """

    steps: Tensor
    slack: Tensor
    scale: Tensor
    element: Tensor
    overall: float
    bias: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """Outputs beside what is right; `relative` holds errors of scales over the scales, without the rows of zeros."""

    truth: HadamardTruth
    codes: Tensor
    scale: Tensor
    relative: Tensor


def matrix(width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Sylvester's Hadamard matrix, of 1 and -1."""
    at = torch.arange(width, device=device)
    return signs(at[:, None], at[None, :]).to(dtype)


def truth(x: Tensor) -> HadamardTruth:
    """Rotate in float64; budgets from what a float32 rotation of the same vectors is off, and from how it rounds."""
    width = x.shape[1]
    exact = x.double()
    rotated = exact @ matrix(width, x.device, torch.float64)
    peak = _largest(rotated)
    safe = torch.where(peak > 0, peak, 1.0)
    shaky = SUM * exact.abs().sum(dim=1) / safe
    honest = _largest(x.float() @ matrix(width, x.device, torch.float32)).double() / safe - 1.0
    honest = honest[peak > 0]
    few = float(shaky.mean()) / math.sqrt(max(1, len(honest))) if shaky.numel() else 0.0
    return HadamardTruth(
        steps=rotated * (LARGEST / safe)[:, None],
        slack=LARGEST * (2 * shaky + SCALING),
        scale=peak / (LARGEST * math.sqrt(width)),
        element=shaky + LEAST_ELEMENT,
        overall=max(TIMES_HONEST * _root_mean_square(honest), LEAST_OVERALL + few),
        bias=max(TIMES_HONEST * abs(_mean(honest)), LEAST_BIAS + few),
    )


def codes_of(packed: Tensor) -> Tensor:
    """Codes -8 .. 7 as int8 ``[R, 128]`` of bytes ``[R, 64]`` that hold two each, the low nibble first."""
    nibbles = torch.stack((packed & 15, packed >> 4), dim=-1).flatten(1)
    return (nibbles ^ 8).to(torch.int8) - 8


def packed_of(codes: Tensor) -> Tensor:
    """Bytes ``[R, 64]`` of codes ``[R, 128]``; the inverse of `codes_of`."""
    nibbles = codes.to(torch.int32) & 15
    return (nibbles[:, 0::2] | nibbles[:, 1::2] << 4).to(torch.uint8)


def fault(right: HadamardTruth, codes: Tensor, scale: Tensor, off: frozenset[str]) -> Fault | None:
    """The first check that the outputs fail, in the order of `CHECKS`."""
    some = right.scale > 0
    relative = error_of(scale, right.scale)[some] / right.scale[some]
    judged = _Judged(truth=right, codes=codes, scale=scale, relative=relative)
    for name, check in CHECKS.items():
        if name not in off:
            found = check(judged)
            if found is not None:
                return found
    return None


def _largest(rows: Tensor) -> Tensor:
    return rows.abs().amax(dim=1)


def _mean(errors: Tensor) -> float:
    return float(errors.mean()) if errors.numel() else 0.0


def _root_mean_square(errors: Tensor) -> float:
    return math.sqrt(_mean(errors.square()))


def _finite(judged: _Judged) -> Fault | None:
    return not_finite("finite", "scale", judged.scale)


def _scale(judged: _Judged) -> Fault | None:
    """A row of zeros has scale 0 and nothing else."""
    right = judged.truth
    return beyond_element("scale", "scale", judged.scale, right.scale, right.element * right.scale)


def _global(judged: _Judged) -> Fault | None:
    return beyond_overall("global", "scales", _root_mean_square(judged.relative), 1.0, judged.truth.overall, TINY)


def _bias(judged: _Judged) -> Fault | None:
    error = _mean(judged.relative)
    if abs(error) <= judged.truth.bias + TINY:
        return None
    reason = f"scales are off to one side, by {error:.3g} of themselves in the mean, budget {judged.truth.bias:.3g}"
    return Fault(check="bias", reason=reason)


def _code(judged: _Judged) -> Fault | None:
    right, codes = judged.truth, codes_of(judged.codes)
    away = (codes.double() - right.steps).abs_()
    found = first(away > HALF + right.slack[:, None])
    if found is None:
        return None
    count, at = found
    row, column = divmod(at, codes.shape[1])
    nibble = ("low", "high")[column % 2]
    reason = (
        f"codes[{row}, {column // 2}] holds {int(codes[row, column])} in its {nibble} nibble, for element {column}, "
        f"which is {float(right.steps[row, column]):.7g} times the scale of its row; {count} of {codes.numel()} codes "
        f"are wrong, the worst by {float(away.max()):.3g} steps"
    )
    return Fault(check="code", reason=reason)


CHECKS: dict[str, Callable[[_Judged], Fault | None]] = {
    "finite": _finite,
    "scale": _scale,
    "global": _global,
    "bias": _bias,
    "code": _code,
}
