"""Errors of outputs against budgets, and what is said where one is beyond."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.kernels.task import Fault

TINY = 2.0**-125
"""Scores below this may be flushed to zero: float32 has no normal numbers there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """How large errors may be, relative to the size of what is right.

    Args:
        row: L2 norm of a row's error over the norm of the row.
        overall: L2 norm of all errors over the norm of all that is right.
        bias: mean signed error over the mean size, along the outputs themselves and their signs.
    """

    row: float
    overall: float
    bias: float


def place(flat: int, shape: tuple[int, ...]) -> str:
    """Indices of an element, such as ``[3, 17]``."""
    indices: list[int] = []
    for length in reversed(shape):
        flat, index = divmod(flat, length)
        indices.append(index)
    return str(indices[::-1])


def first(wrong: Tensor) -> tuple[int, int] | None:
    """How many elements are wrong, and the flat place of the first; None where none is."""
    count = int(wrong.sum())
    if not count:
        return None
    return count, int(wrong.flatten().to(torch.uint8).argmax())


def not_finite(check: str, what: str, output: Tensor) -> Fault | None:
    """Refuse NaN and infinities."""
    found = first(~torch.isfinite(output))
    if found is None:
        return None
    count, at = found
    value = float(output.flatten()[at])
    return Fault(
        check=check,
        reason=f"{what}{place(at, tuple(output.shape))} is {value}; {count} of {output.numel()} are not finite",
    )


def beyond_element(check: str, what: str, got: Tensor, right: Tensor, budget: Tensor) -> Fault | None:
    """Refuse an element that is further from what is right than its budget; those that are not finite are left out."""
    error = error_of(got, right).abs()
    found = first(error > budget)
    if found is None:
        return None
    count, at = found
    ratio = float((error / budget.clamp_min(1e-300)).max())
    return Fault(
        check=check,
        reason=(
            f"{what}{place(at, tuple(got.shape))} is {float(got.flatten()[at]):.9g}, right is "
            f"{float(right.flatten()[at]):.9g} within {float(budget.flatten()[at]):.3g}; {count} of {got.numel()} "
            f"elements are wrong, the worst by {ratio:.3g} times its budget"
        ),
    )


def beyond_row(
    check: str, what: str, errors: Tensor, sizes: Tensor, budget: float, slack: Tensor | float = 0.0
) -> Fault | None:
    """Refuse a row whose error is beyond its budget.

    Args:
        check: name of the check.
        what: what the rows are of.
        errors: L2 norm of every row's error.
        sizes: L2 norm of every row that is right.
        budget: how large errors may be, relative to the size.
        slack: how large they may be beside, absolute.
    """
    found = first(errors > budget * sizes + slack)
    if found is None:
        return None
    count, at = found
    return Fault(
        check=check,
        reason=(
            f"row {at} of {what} has a relative error of {_ratio(errors[at], sizes[at]):.3g}, budget {budget:.3g}; "
            f"{count} of {errors.numel()} rows are beyond it"
        ),
    )


def beyond_overall(check: str, what: str, error: float, size: float, budget: float, slack: float = 0.0) -> Fault | None:
    """Refuse outputs whose error as a whole is beyond its budget; arguments as `beyond_row`, of all rows together."""
    if error <= budget * size + slack:
        return None
    return Fault(
        check=check,
        reason=f"{what} as a whole have a relative error of {error / max(size, 1e-300):.3g}, budget {budget:.3g}",
    )


def beyond_sums(
    errors: Tensor,
    right: Tensor,
    noise: tuple[float, float],
    usual: tuple[float, float],
    budget: float,
    systematic: float,
) -> Fault | None:
    """Refuse errors of y that add up: their sum, and that along what is right, which a missing part points against.

    Args:
        errors: signed, in float64.
        right: what is right, of the same shape.
        noise: standard errors of the two sums.
        usual: what an honest program's errors come to in them.
        budget: in standard errors.
        systematic: share of the size of what is right that is allowed beside.
    """
    along = (errors * right).sum(), right.square().sum()
    sums = (("", errors.sum(), right.abs().sum()), (" along what is right", *along))
    for (what, total, size), spread, honest in zip(sums, noise, usual, strict=True):
        error = float(total) - honest
        if abs(error) > budget * spread + systematic * float(size) + TINY:
            reason = (
                f"errors of y{what} add up to {error / max(float(size), TINY):.3g} of its size more than an honest "
                f"program's, {abs(error) / max(spread, TINY):.3g} of their standard errors; budget {budget:g}"
            )
            return Fault(check="bias", reason=reason)
    return None


def out_of_range(ids: Tensor, count: int) -> Fault | None:
    """Refuse ids that are not in ``0 .. count - 1``."""
    found = first((ids < 0) | (ids >= count))
    if found is None:
        return None
    wrong, at = found
    reason = (
        f"ids{place(at, tuple(ids.shape))} is {int(ids.flatten()[at])}, not in 0 .. {count - 1}; "
        f"{wrong} of {ids.numel()} ids are out of range"
    )
    return Fault(check="range", reason=reason)


def named_twice(ids: Tensor, what: str) -> Fault | None:
    """Refuse rows in which an id comes twice; ``what`` an id names."""
    ordered = ids.sort(dim=1).values
    found = first((ordered[:, 1:] == ordered[:, :-1]).any(dim=1))
    if found is None:
        return None
    count, row = found
    reason = f"ids[{row}] = {ids[row].tolist()} names {what} twice; so do {count} of {len(ordered)} rows"
    return Fault(check="distinct", reason=reason)


def short(row: Tensor) -> str:
    """A row of numbers for a reason."""
    return "[" + ", ".join(f"{value:.6g}" for value in row.tolist()) + "]"


def error_of(got: Tensor, right: Tensor) -> Tensor:
    """Signed errors in float64; 0 where the output is not finite, since another check stands against that."""
    return torch.where(torch.isfinite(got), got.double() - right, 0.0)


def _ratio(error: Tensor, size: Tensor) -> float:
    return float(error) / max(float(size), 1e-300)
