"""Measures programs without noise: every one that was ever called best along a curve, and every leader.

    python bench/search/truth.py               all pieces in bench/search/results

`circle` and `noisy` are exact. On `eplb_small` a program's true score is its mean over fixed blocks that nobody else
meets, under a secret of their own; leaders meet more of them. A program that fails is worth what the starting
program is worth. What was measured is kept in ``truth/`` and not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from pieces import PROBLEM_NAMES, PROBLEMS, RESULTS, all_pieces

from evaluators.block import Block
from evaluators.judge import Judge
from evaluators.model import Outcome, Split
from evaluators.problem import RefusedError
from evaluators.program import ProgramError, normalised_digest
from evaluators.registry import load_problem
from evaluators.seeding import secret_from_seed

BLOCKS, LEADERS_BLOCKS = 6, 16
"""Blocks that a program of a curve and a leader meet on `eplb_small`; the first ones are the same."""

FIRST_BLOCK = 1_000_000
"""Far from any block that a search meets, though its secret is another one anyway."""


@dataclass(frozen=True, kw_only=True)
class TrueScore:
    """A true score in points with its standard error; ``works`` is false for a program that fails."""

    score: float
    stderr: float
    works: bool


class Truth:
    """True scores of one problem's programs."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self._problem: Any = load_problem(str(PROBLEMS / name))
        self._judge = Judge(self._problem, secret=secret_from_seed(2**40, f"truth of {name}"), clock=time.perf_counter)
        self._name = name
        self._blocks: list[Block] = []
        self._file = None if folder is None else folder / "truth" / f"{name}-{self._problem.digest}.json"
        self._known: dict[str, list[tuple[float, float] | None]] = {}
        if self._file is not None and self._file.exists():
            self._known = json.loads(self._file.read_text(encoding="utf-8"))

    def close(self) -> None:
        """End the sandbox."""
        self._judge.close()

    def known(self, source: str, *, leader: bool = False) -> TrueScore | None:
        """What was measured before; None for a program that was not met, or not often enough."""
        parts = self._known.get(self._key(source), [])
        return _pooled(parts[: self._wanted(leader)]) if self._is_enough(parts, leader) else None

    def of(self, source: str, *, leader: bool = False) -> TrueScore:
        """A program's true score, measured now where it is not known."""
        key = self._key(source)
        parts = [*self._known.get(key, [])]
        while not self._is_enough(parts, leader):
            parts.append(self._part(source, len(parts)))
        if parts != self._known.get(key):
            self._known[key] = parts
            self._save()
        return _pooled(parts[: self._wanted(leader)])

    def _wanted(self, leader: bool) -> int:
        if self._name != "eplb_small":
            return 1
        return LEADERS_BLOCKS if leader else BLOCKS

    def _is_enough(self, parts: Sequence[object], leader: bool) -> bool:
        return len(parts) >= self._wanted(leader) or None in parts

    def _save(self) -> None:
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial = self._file.with_suffix(".partial")
            partial.write_text(json.dumps(self._known), encoding="utf-8")
            partial.replace(self._file)

    def _key(self, source: str) -> str:
        try:
            return normalised_digest(source, entry=self._problem.declaration.entry)
        except ProgramError:
            return "no program"

    def _part(self, source: str, number: int) -> tuple[float, float] | None:
        """Mean gain over the starting program and mean span on one block; None for a program that fails."""
        if self._name == "noisy":
            return self._height(source)
        while len(self._blocks) <= number:
            self._blocks.append(self._judge.block(Split.HIDDEN, FIRST_BLOCK + len(self._blocks)))
        verdict = self._judge.evaluate(source, self._blocks[number])
        if verdict.outcome is not Outcome.OK:
            return None
        results = verdict.workloads
        return fmean(r.objective - r.baseline for r in results), fmean(r.reference - r.baseline for r in results)

    def _height(self, source: str) -> tuple[float, float] | None:
        """The landscape's own height at the program's point."""
        try:
            with self._judge.guest(source) as guest:
                point = guest.call({}, 2.0, self._problem.form).value
        except RefusedError:
            return None
        return float(self._problem.true_score(point)), 100.0


def _pooled(parts: Sequence[tuple[float, float] | None]) -> TrueScore:
    """Ratio of mean gain to mean span over the blocks, and its error from block to block."""
    pairs = [part for part in parts if part is not None]
    if len(pairs) < len(parts):
        return TrueScore(score=0.0, stderr=0.0, works=False)
    span = fmean(pair[1] for pair in pairs)
    ratio = fmean(pair[0] for pair in pairs) / span
    residuals = [(gain - ratio * each) / span for gain, each in pairs]
    error = stdev(residuals) / math.sqrt(len(residuals)) if len(residuals) > 1 else 0.0
    return TrueScore(score=100 * ratio, stderr=100 * error, works=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--minutes", type=float, default=18.0, help="stop after this long")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    for name in PROBLEM_NAMES:
        pieces = [piece for piece in all_pieces(options.out) if piece.problem == name]
        truth = Truth(name, options.out) if pieces else None
        if truth is None:
            continue
        try:
            leaders = {piece.programs[piece.leader] for piece in pieces}
            others = {piece.programs[key] for piece in pieces for key in piece.curve} - leaders
            every = [*((source, True) for source in sorted(leaders)), *((source, False) for source in sorted(others))]
            wanted = [(source, leads) for source, leads in every if truth.known(source, leader=leads) is None]
            started = time.monotonic()
            for done, (source, leads) in enumerate(wanted):
                if time.monotonic() > until:
                    print(f"{name}: {len(wanted) - done} of {len(every)} programs are left; run it again")
                    return
                truth.of(source, leader=leads)
            print(f"{name}: {len(every)} programs, {len(wanted)} measured now in {time.monotonic() - started:.0f} s")
        finally:
            truth.close()


if __name__ == "__main__":
    main()
