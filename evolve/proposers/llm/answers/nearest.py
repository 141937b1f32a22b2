"""The lines of a program that are most like a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

LONGEST_SEARCH = 400  # lines; longer texts are not compared by similarity
LONGEST_LINE = 300
_PROBES = 3
_SHORTEST = 20  # characters; a shorter text is like too many others
_MOST_LINES = 4_000
_QUOTED_BY = 60  # filled lines; the first ones of a text say what to quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Lines from `start` up to `end`, counted from 0; how like the text they are, and the least like line."""

    start: int
    end: int
    ratio: float
    weakest: float


def closest_windows(lines: Sequence[str], search: Sequence[str], *, count: int = 8) -> list[Window]:
    """Find stretches with as many filled lines as a text that are most like it, the best first.

    A stretch is considered if most of its lines are equal to those of the text, or if a long line of the
    text is similar to one of its lines. Likeness is difflib's ratio (2 M / T) of each pair of lines, weighted
    by their length, without the white space around them.
    """
    have = [(n, line.strip()[:LONGEST_LINE]) for n, line in enumerate(lines[:_MOST_LINES]) if line.strip()]
    want = [line.strip()[:LONGEST_LINE] for line in search if line.strip()]
    if not want or len(want) > min(len(have), LONGEST_SEARCH) or sum(map(len, want)) < _SHORTEST:
        return []
    texts = [text for _, text in have]
    starts = _candidates(texts, want)
    windows = []
    known: dict[tuple[str, str], float] = {}
    for start in starts:
        ratios = [_ratio(a, b, known) for a, b in zip(want, texts[start : start + len(want)], strict=True)]
        weights = [len(a) + len(b) for a, b in zip(want, texts[start : start + len(want)], strict=True)]
        ratio = sum(r * w for r, w in zip(ratios, weights, strict=True)) / sum(weights)
        end = have[start + len(want) - 1][0] + 1
        windows.append(Window(start=have[start][0], end=end, ratio=ratio, weakest=min(ratios)))
    windows.sort(key=lambda window: (-window.ratio, window.start))
    return windows[:count]


def _candidates(texts: Sequence[str], want: Sequence[str]) -> list[int]:
    """Choose where a similar stretch may begin."""
    last = len(texts) - len(want)
    spots: dict[str, list[int]] = {}
    for at, text in enumerate(texts):
        spots.setdefault(text, []).append(at)
    votes: dict[int, int] = {}
    for offset, line in enumerate(want):
        for at in spots.get(line, ())[:50]:
            if 0 <= at - offset <= last:
                votes[at - offset] = votes.get(at - offset, 0) + 1
    chosen = sorted(votes, key=lambda start: (-votes[start], start))[:8]
    probes = sorted(range(len(want)), key=lambda at: -len(want[at]))[:_PROBES]
    for probe in probes:
        chosen += [at - probe for at in _similar(want[probe], texts) if 0 <= at - probe <= last]
    return list(dict.fromkeys(chosen))


def _similar(line: str, texts: Sequence[str], *, count: int = 6) -> list[int]:
    """Find the lines most similar to one, quick bounds first."""
    matcher = SequenceMatcher(None, autojunk=False)
    matcher.set_seq2(line)
    found = []
    for at, text in enumerate(texts):
        matcher.set_seq1(text)
        if matcher.real_quick_ratio() >= 0.6 and matcher.quick_ratio() >= 0.6:
            found.append((matcher.ratio(), at))
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    return [at for ratio, at in found[:count] if ratio >= 0.6]


def _ratio(a: str, b: str, known: dict[tuple[str, str], float]) -> float:
    if a == b:
        return 1.0
    if (a, b) not in known:
        known[a, b] = SequenceMatcher(None, a, b, autojunk=False).ratio()
    return known[a, b]


def quoted_nearest(lines: Sequence[str], search: Sequence[str], *, most: int = 12) -> str:
    """Quote the part of a program that is most like a text, with line numbers; empty if nothing is like it."""
    part = [line for line in search if line.strip()][:_QUOTED_BY]
    windows = closest_windows(lines, part, count=1)
    if windows and windows[0].ratio >= 0.4:
        start, end = windows[0].start, windows[0].end
    else:
        probe = max(part, key=lambda line: len(line.strip()), default="").strip()[:LONGEST_LINE]
        texts = [line.strip()[:LONGEST_LINE] for line in lines[:_MOST_LINES]]
        similar = _similar(probe, texts, count=1) if probe else []
        if not similar:
            return ""
        start, end = max(0, similar[0] - 2), min(len(lines), similar[0] + 3)
    end = min(end, start + most)
    return "\n".join(f"{number + 1:4d} | {lines[number][:100]}" for number in range(start, end))
