"""The difference between two texts, in time that no text can make long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

# difflib looks at equal pairs of lines, and at every line, again for each run of equal lines that it finds.
_MOST_PAIRS = 1_000_000
_MOST_STEPS = 5_000_000

Opcode = tuple[str, int, int, int, int]


def unified(old: Sequence[str], new: Sequence[str], names: tuple[str, str], context: int = 3) -> list[str]:
    """Unified difference of two texts; empty if they agree.

    Lines that both texts begin and end with count as equal. What lies between is compared line by line if that is
    quick; else all of it stands there as removed and added. There are at most two lines for each line of both texts,
    and two of heading.

    Args:
        old: lines without their ends.
        new: lines without their ends.
        names: what to call the two.
        context: equal lines to show around each change.
    """
    if list(old) == list(new):
        return []
    lines = [f"--- {names[0]}", f"+++ {names[1]}"]
    for hunk in _hunks(_opcodes(old, new), context):
        (_, old_start, _, new_start, _), (_, _, old_end, _, new_end) = hunk[0], hunk[-1]
        lines.append(f"@@ -{_range(old_start, old_end)} +{_range(new_start, new_end)} @@")
        for kind, first, last, new_first, new_last in hunk:
            if kind == "equal":
                lines += [f" {line}" for line in old[first:last]]
                continue
            lines += [f"-{line}" for line in old[first:last]]
            lines += [f"+{line}" for line in new[new_first:new_last]]
    return lines


def _opcodes(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    """What makes one text out of the other, as difflib says it."""
    shorter = min(len(old), len(new))
    head = next((at for at in range(shorter) if old[at] != new[at]), shorter)
    rest = shorter - head
    tail = next((at for at in range(rest) if old[-1 - at] != new[-1 - at]), rest)
    old_end, new_end = len(old) - tail, len(new) - tail
    before, after = old[head:old_end], new[head:new_end]
    codes: list[Opcode] = [("equal", 0, head, 0, head)]
    if _laborious(before, after):
        codes.append(("replace", head, old_end, head, new_end))
    else:
        for kind, first, last, new_first, new_last in SequenceMatcher(None, before, after).get_opcodes():
            codes.append((kind, head + first, head + last, head + new_first, head + new_last))
    codes.append(("equal", old_end, len(old), new_end, len(new)))
    return [code for code in codes if code[1] < code[2] or code[3] < code[4]]


def _laborious(old: Sequence[str], new: Sequence[str]) -> bool:
    counts = Counter(old)
    equal = sum(counts[line] for line in new)
    return len(old) * len(new) > _MOST_PAIRS or equal * min(len(old), len(new)) > _MOST_STEPS


def _hunks(codes: Sequence[Opcode], context: int) -> Iterator[list[Opcode]]:
    """Groups of changes with some equal lines around each; groups whose equal lines touch are one."""
    hunk: list[Opcode] = []
    for at, (kind, first, last, new_first, new_last) in enumerate(codes):
        if kind != "equal":
            hunk.append((kind, first, last, new_first, new_last))
            continue
        equal = last - first
        ahead = 0 if at == 0 else min(context, equal)
        behind = 0 if at == len(codes) - 1 else min(context, equal)
        if ahead + behind >= equal:
            hunk.append((kind, first, last, new_first, new_last))
            continue
        if hunk:
            yield [*hunk, (kind, first, first + ahead, new_first, new_first + ahead)]
        hunk = [(kind, last - behind, last, new_last - behind, new_last)]
    if any(kind != "equal" for kind, *_ in hunk):
        yield hunk


def _range(start: int, end: int) -> str:
    """Lines from 0 as the format counts them: from 1, an empty range by the line before it, one line by its number."""
    if end - start == 1:
        return f"{start + 1}"
    return f"{start if start == end else start + 1},{end - start}"
