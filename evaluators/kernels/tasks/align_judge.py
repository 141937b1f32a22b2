"""What is right for rows sorted by expert and padded to blocks, and what is wrong with outputs. All of it is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.kernels.task import Fault
from evaluators.kernels.tasks.errors import first

UNUSED = -1
"""Expert of a block that no expert has: as vLLM's kernel leaves it, and as grouped products skip it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignTruth:
    """What is right.

    Args:
        owner: expert whose section each place of ``sorted_rows`` lies in, int64 ``[P]``; -1 beyond ``num_padded``.
        holds: whether a row must stand there, bool ``[P]``; else padding.
        blocks: ``block_expert``, int64 ``[P / block]``.
        num_padded: places of all sections.
        block: rows of a block.
    """

    owner: Tensor
    holds: Tensor
    blocks: Tensor
    num_padded: int
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a program gave, see `MoeAlign`."""

    sorted_rows: Tensor
    block_expert: Tensor
    num_padded: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """Outputs beside what is right.

    Args:
        truth: what is right.
        outputs: what was given.
        rows: ``sorted_rows`` as int64.
        count: rows that there are, which is what padding holds.
        legal: places that must hold a row and hold one that there is.
        chosen: ids of the rows, int64, by row.
    """

    truth: AlignTruth
    outputs: Outputs
    rows: Tensor
    count: int
    legal: Tensor
    chosen: Tensor


def truth(ids: Tensor, experts: int, block: int, places: int) -> AlignTruth:
    """Count, round up, add up.

    Args:
        ids: int32 ``[T, k]``.
        experts: how many there are.
        block: rows of a block.
        places: length of ``sorted_rows``.
    """
    counts = torch.bincount(ids.flatten().long(), minlength=experts)
    padded = (counts + block - 1) // block * block
    ends = padded.cumsum(0)
    num_padded = int(ends[-1])
    at = torch.arange(places, device=ids.device)
    section = torch.searchsorted(ends, at, right=True).clamp_max(experts - 1)
    inside = at < num_padded
    holds = inside & (at - (ends - padded)[section] < counts[section])
    owner = torch.where(inside, section, UNUSED)
    return AlignTruth(owner=owner, holds=holds, blocks=owner[::block], num_padded=num_padded, block=block)


def fault(ids: Tensor, right: AlignTruth, outputs: Outputs, off: frozenset[str]) -> Fault | None:
    """The first check that the outputs fail, in the order of `CHECKS`."""
    rows, count = outputs.sorted_rows.long(), ids.numel()
    judged = _Judged(
        truth=right,
        outputs=outputs,
        rows=rows,
        count=count,
        legal=right.holds & (rows >= 0) & (rows < count),
        chosen=ids.flatten().long(),
    )
    for name, check in CHECKS.items():
        if name not in off:
            reason = check(judged)
            if reason:
                return Fault(check=name, reason=reason)
    return None


def _count(judged: _Judged) -> str:
    given = int(judged.outputs.num_padded)
    if given == judged.truth.num_padded:
        return ""
    return f"num_padded[0] is {given}, right is {judged.truth.num_padded}"


def _blocks(judged: _Judged) -> str:
    return _wrong_blocks(judged, judged.truth.blocks >= 0)


def _unused(judged: _Judged) -> str:
    return _wrong_blocks(judged, judged.truth.blocks < 0)


def _wrong_blocks(judged: _Judged, among: Tensor) -> str:
    given, right = judged.outputs.block_expert, judged.truth.blocks
    found = first(among & (given != right))
    if found is None:
        return ""
    wrong, at = found
    what = f"right is {int(right[at])}" if int(right[at]) >= 0 else f"no expert has that block: it must hold {UNUSED}"
    return f"block_expert[{at}] is {int(given[at])}, {what}; {wrong} of {int(among.sum())} such blocks are wrong"


def _tail(judged: _Judged) -> str:
    beyond = judged.truth.owner < 0
    return _wrong_padding(judged, beyond, f"it lies beyond num_padded = {judged.truth.num_padded}")


def _padding(judged: _Judged) -> str:
    inside = ~judged.truth.holds & (judged.truth.owner >= 0)
    return _wrong_padding(judged, inside, "all rows of its expert have their places before it")


def _wrong_padding(judged: _Judged, among: Tensor, why: str) -> str:
    found = first(among & (judged.rows != judged.count))
    if found is None:
        return ""
    wrong, at = found
    return (
        f"sorted_rows[{at}] is {int(judged.rows[at])}, right is {judged.count}: {why}; "
        f"{wrong} of {int(among.sum())} such places are wrong"
    )


def _range(judged: _Judged) -> str:
    found = first(judged.truth.holds & ~judged.legal)
    if found is None:
        return ""
    wrong, at = found
    return (
        f"sorted_rows[{at}] is {int(judged.rows[at])}, not in 0 .. {judged.count - 1}, though expert "
        f"{int(judged.truth.owner[at])} has a row to stand there; {wrong} of {judged.count} rows are missing so"
    )


def _home(judged: _Judged) -> str:
    if not judged.count:
        return ""
    chosen = judged.chosen[judged.rows.clamp(0, judged.count - 1)]
    found = first(judged.legal & (chosen != judged.truth.owner))
    if found is None:
        return ""
    wrong, at = found
    return (
        f"sorted_rows[{at}] is {int(judged.rows[at])}, which chose expert {int(chosen[at])}, but stands among those of "
        f"expert {int(judged.truth.owner[at])}; {wrong} of {judged.count} rows stand with another expert"
    )


def _once(judged: _Judged) -> str:
    times = torch.bincount(judged.rows[judged.legal], minlength=judged.count)
    found = first(times > 1)
    if found is None:
        return ""
    wrong, row = found
    return f"row {row} stands in {int(times[row])} places; so often stand {wrong} of {judged.count} rows"


CHECKS: dict[str, Callable[[_Judged], str]] = {
    "count": _count,
    "blocks": _blocks,
    "unused": _unused,
    "tail": _tail,
    "padding": _padding,
    "range": _range,
    "home": _home,
    "once": _once,
}
"""Each gives the reason, or nothing. Sections have as many places as their experts have rows, so that rows that are all
in range, at home and in one place alone are all that there are."""
