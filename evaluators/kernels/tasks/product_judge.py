"""What is right for product-key routing, and what is wrong with outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.kernels.task import Fault, Tensors
from evaluators.kernels.tasks.errors import TINY, beyond_element, first, named_twice, not_finite, out_of_range

HALF_UNIT = 2.0**-24 * (1 + 2.0**-20)
"""Largest relative error of one float32 addition, which any program needs and none needs two of; the last factor is for
the arithmetic of the check itself."""

UNIT = 2 * HALF_UNIT
"""Two sums that one rounding makes equal differ by so much at most, relative to the larger; either may be chosen."""

CHUNK_ITEMS = 2**25


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductTruth:
    """What is right.

    Args:
        best: the k largest of all sums of every row, falling, float64 ``[T, k]``.
    """

    best: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """Outputs beside the exact sums of the pairs that they name.

    Args:
        best: see `ProductTruth`.
        side: scores of an axis.
        scores: as given.
        ids: as given.
        chosen: sums of the pairs named, float64.
    """

    best: Tensor
    side: int
    scores: Tensor
    ids: Tensor
    chosen: Tensor


def truth(contents: Tensors, k: int) -> ProductTruth:
    """The k largest sums of every row.

    A pair whose a is not among the k largest of its axis has k pairs with the same b before it, and likewise for b: so
    the k largest sums are among those of the k largest of either axis (Lample and others, arXiv 1907.05242, 3.1).
    """
    a, b = contents["a"], contents["b"]
    tokens = a.shape[0]
    best = torch.empty((tokens, k), dtype=torch.float64, device=a.device)
    step = max(1, CHUNK_ITEMS // (k * k))
    for start in range(0, tokens, step):
        part = slice(start, start + step)
        rows, columns = (torch.topk(axis[part].double(), k, dim=1).values for axis in (a, b))
        sums = (rows[:, :, None] + columns[:, None, :]).flatten(1)
        best[part] = torch.topk(sums, k, dim=1).values
    return ProductTruth(best=best)


def fault(contents: Tensors, right: ProductTruth, scores: Tensor, ids: Tensor, off: frozenset[str]) -> Fault | None:
    """The first check that the outputs fail, in the order of `CHECKS`."""
    side = contents["a"].shape[1]
    # Ids that are out of range are another check's business; here they only must not stop the others.
    inside = ids.long().remainder(side * side)
    chosen = contents["a"].gather(1, inside // side).double() + contents["b"].gather(1, inside % side).double()
    judged = _Judged(best=right.best, side=side, scores=scores, ids=ids, chosen=chosen)
    for name, check in CHECKS.items():
        if name not in off:
            found = check(judged)
            if found is not None:
                return found
    return None


def _finite(judged: _Judged) -> Fault | None:
    return not_finite("finite", "scores", judged.scores)


def _range(judged: _Judged) -> Fault | None:
    return out_of_range(judged.ids, judged.side * judged.side)


def _distinct(judged: _Judged) -> Fault | None:
    return named_twice(judged.ids, "a pair")


def _choice(judged: _Judged) -> Fault | None:
    best = judged.best
    chosen = judged.chosen.sort(dim=1, descending=True).values
    found = first((chosen - best).abs() > UNIT * best.abs() + TINY)
    if found is None:
        return None
    count, at = found
    row, rank = divmod(at, best.shape[1])
    pairs = [list(divmod(one, judged.side)) for one in judged.ids[row].tolist()]
    reason = (
        f"ids[{row}] are the pairs {pairs}, not those of the {best.shape[1]} largest sums: number {rank} of theirs in "
        f"falling order is {float(chosen[row, rank]):.9g}, of the largest {float(best[row, rank]):.9g}; "
        f"{count} of {best.numel()} are wrong"
    )
    return Fault(check="choice", reason=reason)


def _falling(judged: _Judged) -> Fault | None:
    before, after = judged.scores[:, :-1], judged.scores[:, 1:]
    found = first(after > before)
    if found is None:
        return None
    count, at = found
    row = at // before.shape[1]
    values = ", ".join(f"{value:.6g}" for value in judged.scores[row].tolist())
    return Fault(check="falling", reason=f"scores[{row}] = [{values}] do not fall; {count} steps rise")


def _element(judged: _Judged) -> Fault | None:
    budget = HALF_UNIT * judged.chosen.abs() + TINY
    return beyond_element("element", "scores", judged.scores, judged.chosen, budget)


CHECKS: dict[str, Callable[[_Judged], Fault | None]] = {
    "finite": _finite,
    "range": _range,
    "distinct": _distinct,
    "choice": _choice,
    "falling": _falling,
    "element": _element,
}
"""No check of rows, of the whole or of bias: an element is held to one rounding, which leaves them nothing to find."""
