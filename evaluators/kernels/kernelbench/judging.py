"""What is right for a file's ``Model``, and what is wrong with outputs.

Errors are measured in units of what an honest program in the file's own types makes. The unit of an item is

    (s + u |exact| / 2) (1 + sqrt(depth / 16))

with u the rounding of the type; s the root mean square, over the item's row, of how far outputs move when every
argument is moved by u at random (its condition), and of the error of PyTorch's own operators in the same types; and
depth the length of the longest sum: terms added one by one are off by about the square root of their number. No
absolute tolerance exists: outputs of 1e-6 are held to 1e-6 as much as outputs of 1 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from evaluators.kernels.kernelbench.trace import Trace
from evaluators.kernels.task import Fault
from evaluators.kernels.tasks.errors import first, place

UNIT_ROUNDOFF = {"float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}
LEAST_ROW = 16
"""Items of a row; where the last axis is shorter, all of an output is one row."""

MOVES, MOVES_OF_FEW, FEW_ITEMS = 2, 8, 1024
"""How often arguments are moved; more often where outputs have few items."""

SUMMED_AT_ONCE = 16
TINY = 2.0**-126
TIMES_HONEST = 2.0
ELEMENT, ROW, OVERALL, BIAS = 12.0, 6.0, 4.0, 2.5
"""Budgets in units: of one item, of a row's and of all items' root mean square, of the mean along the signs. The last
is no smaller since the error of a sum is shared by all items that were divided by it."""

SLACK = 8.0
"""Over the square root of the number of items, it is added to the last three, since few items say little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One output.

    Args:
        exact: in float64.
        unit: of every item's error, of the same shape.
        budgets: in units, by check.
    """

    exact: Tensor
    unit: Tensor
    budgets: Mapping[str, float]


def truth(trace: Trace, contents: Mapping[str, Tensor]) -> list[Right]:
    """Outputs in float64 and the units of their errors."""
    exact = trace.run(contents, exact=True)
    honest = trace.run(contents)
    few = all(output.numel() <= FEW_ITEMS for output in exact)
    device = exact[0].device
    random = torch.Generator(device).manual_seed(0)
    squares = [_error(got, right).square() for got, right in zip(honest, exact, strict=True)]
    count = MOVES_OF_FEW if few else MOVES
    for _ in range(count):
        moved = trace.run(_moved(contents, random), exact=True)
        for place_, (got, right) in enumerate(zip(moved, exact, strict=True)):
            squares[place_] += _error(got, right).square() * (3 / count)  # uniform moves have a third of the square
    scale = 1 + math.sqrt(trace.depth / SUMMED_AT_ONCE)
    found = []
    for square, right, form, output in zip(squares, exact, trace.results, honest, strict=True):
        unit = scale * (_row_sizes(square) + UNIT_ROUNDOFF[form.dtype] / 2 * _size(right)) + TINY
        bare = Right(exact=right, unit=unit, budgets={})
        found.append(replace(bare, budgets=_budgets(bare, output)))
    return found


def _budgets(right: Right, honest: Tensor) -> dict[str, float]:
    """Twice what PyTorch's own operators need, where that is more than usual: some functions have rare large errors."""
    if not honest.numel():
        return dict.fromkeys(SIZES, 0.0)
    scores = _scores(right, honest)
    least = {
        "element": ELEMENT,
        "row": budget(ROW, _in_rows(scores).shape[1]),
        "global": budget(OVERALL, honest.numel()),
        "bias": budget(BIAS, honest.numel()),
    }
    return {
        name: max(least[name], TIMES_HONEST * float(size(scores, right.exact).max())) for name, size in SIZES.items()
    }


def fault(right: Sequence[Right], outputs: Sequence[Tensor], off: frozenset[str]) -> Fault | None:
    """The first check that the outputs fail, in the order of `CHECKS`."""
    names = [f"output {number}" for number in range(len(right))] if len(right) > 1 else ["the output"]
    for name, check in CHECKS.items():
        for what, one, output in zip(names, right, outputs, strict=True):
            if name not in off and output.numel():
                reason = check(one, output)
                if reason is not None:
                    return Fault(check=name, reason=f"{what} {reason}")
    return None


def _moved(contents: Mapping[str, Tensor], random: torch.Generator) -> dict[str, Tensor]:
    """Every floating-point argument moved by at most half a unit of float32, or of its coarser type, relative."""
    moved = {}
    for name, tensor in contents.items():
        moved[name] = tensor
        if tensor.is_floating_point():
            by = UNIT_ROUNDOFF[str(tensor.dtype).removeprefix("torch.")]
            noise = torch.rand(tensor.shape, generator=random, device=tensor.device, dtype=torch.float64) * 2 - 1
            moved[name] = tensor.double() * (1 + by * noise)
    return moved


def _error(got: Tensor, right: Tensor) -> Tensor:
    return torch.where(torch.isfinite(right), got.double() - right, 0.0).nan_to_num(0.0, 0.0, 0.0)


def _size(right: Tensor) -> Tensor:
    return right.abs().nan_to_num(0.0, 0.0, 0.0)


def _in_rows(items: Tensor) -> Tensor:
    width = items.shape[-1] if items.dim() and items.shape[-1] >= LEAST_ROW else items.numel()
    return items.reshape(-1, max(width, 1))


def _row_sizes(squares: Tensor) -> Tensor:
    """Root mean square of every row, for each of its items."""
    rows = _in_rows(squares)
    return rows.mean(dim=1, keepdim=True).sqrt().expand(rows.shape).reshape(squares.shape)


def _scores(right: Right, output: Tensor) -> Tensor:
    """Errors in units; 0 where another check stands against the item."""
    return _error(torch.where(torch.isfinite(output), output.double(), right.exact), right.exact) / right.unit


def budget(least: float, items: int) -> float:
    """A budget for the root mean square or the mean of so many items."""
    return least + SLACK / math.sqrt(items)


def _finite(right: Right, output: Tensor) -> str | None:
    got, exact = output.double(), right.exact
    wrong = torch.where(torch.isfinite(exact), ~torch.isfinite(got), (got != exact) & ~(got.isnan() & exact.isnan()))
    found = first(wrong)
    if found is None:
        return None
    count, at = found
    return (
        f"is {float(got.flatten()[at])} at {place(at, tuple(got.shape))}, right is {float(exact.flatten()[at]):.9g}; "
        f"so are {count} of {got.numel()}"
    )


def _element(right: Right, output: Tensor) -> str | None:
    scores, most = _scores(right, output).abs(), right.budgets["element"]
    found = first(scores > most)
    if found is None:
        return None
    count, at = found
    return (
        f"is {float(output.flatten()[at]):.9g} at {place(at, tuple(output.shape))}, right is "
        f"{float(right.exact.flatten()[at]):.9g} within {most * float(right.unit.flatten()[at]):.3g}; "
        f"{count} of {output.numel()} items are wrong, the worst by {float(scores.max()) / most:.3g} budgets"
    )


def _row(right: Right, output: Tensor) -> str | None:
    sizes, most = SIZES["row"](_scores(right, output), right.exact), right.budgets["row"]
    found = first(sizes > most)
    if found is None:
        return None
    count, at = found
    return (
        f"is wrong in row {at} of {len(sizes)}: errors of {float(sizes[at]):.3g} units on average, budget {most:.3g}; "
        f"so are {count}"
    )


def _global(right: Right, output: Tensor) -> str | None:
    size, most = float(SIZES["global"](_scores(right, output), right.exact)), right.budgets["global"]
    return None if size <= most else f"as a whole has errors of {size:.3g} units, budget {most:.3g}"


def _bias(right: Right, output: Tensor) -> str | None:
    size, most = float(SIZES["bias"](_scores(right, output), right.exact)), right.budgets["bias"]
    if size <= most:
        return None
    return f"is off to one side: errors along the signs are {size:.3g} units on average, budget {most:.3g}"


SIZES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "element": lambda scores, exact: scores.abs(),  # noqa: ARG005 - one form for all
    "row": lambda scores, exact: _in_rows(scores).square().mean(dim=1).sqrt(),  # noqa: ARG005
    "global": lambda scores, exact: scores.square().mean().sqrt(),  # noqa: ARG005
    "bias": lambda scores, exact: (scores * exact.sign().nan_to_num()).mean().abs(),
}
"""What each check measures, of errors in units and what is right."""

CHECKS: dict[str, Callable[[Right, Tensor], str | None]] = {
    "finite": _finite,
    "element": _element,
    "row": _row,
    "global": _global,
    "bias": _bias,
}
