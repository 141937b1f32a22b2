"""Writes the tables from the pieces that are there, as Markdown.

    python bench/search/truth.py && python bench/search/table.py > tables.md

All scores are true scores in points (0 the starting program, 100 the optimum or its stand-in), measured without noise
by `truth.py`. Intervals are 95 % percentile bootstrap intervals of the mean over seeds; differences are paired by seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
from contest import PEERS
from ours import VARIANTS
from pieces import PROBLEM_NAMES, RESULTS, Piece, all_pieces
from truth import Truth

BASELINE, OURS = "best_of_n", "ours"
RESAMPLES = 10_000


ROUNDING = 1e-6
"""Points within which a score without noise is the same, however it was summed up."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One piece in true scores.

    Args:
        curve: true score of the program called best after each proposal, 0 to N.
        final: true score of the leader that is handed out.
        error: standard error of that true score.
    """

    piece: Piece
    curve: tuple[float, ...]
    final: float
    error: float

    @property
    def area(self) -> float:
        """Mean of the curve over the proposals, as a share of 100 points."""
        return fmean(self.curve[1:]) / 100

    def reached(self, level: float) -> int | None:
        """After how many proposals the program called best was worth that much; None for never."""
        return next((k for k, value in enumerate(self.curve) if value >= level), None)

    @property
    def surplus(self) -> float | None:
        """The leader's reported score minus its true one."""
        return None if self.piece.reported is None else self.piece.reported - self.final

    @property
    def covered(self) -> bool | None:
        """Whether the reported interval holds the true score; None where none is reported."""
        if self.piece.low is None or self.piece.high is None:
            return None
        return self.piece.low - ROUNDING <= self.final <= self.piece.high + ROUNDING


def outcomes(folder: Path) -> tuple[dict[tuple[str, str], dict[int, Outcome]], int]:
    """By problem and system, then by seed; and how many pieces still wait for `truth.py`."""
    found: dict[tuple[str, str], dict[int, Outcome]] = {}
    waiting = 0
    pieces = list(all_pieces(folder))
    for name in PROBLEM_NAMES:
        mine = [piece for piece in pieces if piece.problem == name]
        if not mine:
            continue
        truth = Truth(name, folder)
        try:
            for piece in mine:
                leader = truth.known(piece.programs[piece.leader], leader=True)
                known = {key: truth.known(piece.programs[key]) for key in set(piece.curve)}
                scores = {key: value.score for key, value in known.items() if value is not None}
                if leader is None or len(scores) < len(known):
                    waiting += 1
                    continue
                found.setdefault((name, piece.system), {})[piece.seed] = Outcome(
                    piece=piece,
                    curve=tuple(scores[piece.at(k)] for k in range(piece.proposals + 1)),
                    final=leader.score,
                    error=leader.stderr,
                )
        finally:
            truth.close()
    return found, waiting


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    picks = rng.choice(np.asarray(values, dtype=float), size=(RESAMPLES, len(values)))
    low, high = np.quantile(picks.mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def shown(values: Sequence[float], form: str = ".1f") -> str:
    """Mean with its interval."""
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:{form}}"
    low, high = interval(values)
    return f"{fmean(values):{form}} [{low:{form}}, {high:{form}}]"


def differences(
    ours: Mapping[int, Outcome], theirs: Mapping[int, Outcome], figure: Callable[[Outcome], float]
) -> list[float]:
    """Differences of a figure, seed by seed."""
    return [figure(ours[seed]) - figure(theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]


def to_reach(group: Mapping[int, Outcome], level: float) -> str:
    """Median number of proposals to a level, and how many seeds got there."""
    reached = [outcome.reached(level) for outcome in group.values()]
    far = max(outcome.piece.proposals for outcome in group.values()) + 1
    middle = median(far if each is None else each for each in reached)
    got = sum(each is not None for each in reached)
    return f"{'more' if middle >= far else f'{middle:g}'} ({got} of {len(reached)})"


def row(name: str, group: Mapping[int, Outcome], baseline: Mapping[int, Outcome] | None) -> str:
    """One system on one problem."""
    every = list(group.values())
    surplus = [outcome.surplus for outcome in every if outcome.surplus is not None]
    covered = [outcome.covered for outcome in every if outcome.covered is not None]
    level = median(outcome.final for outcome in baseline.values()) if baseline else None
    cells = [
        name,
        str(len(every)) + (f", {failed} failed" if (failed := sum(bool(o.piece.error) for o in every)) else ""),
        shown([outcome.area for outcome in every], ".3f"),
        shown([100 - outcome.final for outcome in every]),
        to_reach(group, level) if level is not None else "–",
        f"{sum(covered)} of {len(covered)}" if covered else "–",
        shown(surplus, "+.1f"),
        f"{fmean(outcome.piece.more['books'].get('proposals', 0) for outcome in every):.0f}",
        f"{fmean(outcome.piece.judged for outcome in every):.0f}",
        f"{fmean(outcome.piece.evaluations for outcome in every):.0f}",
        f"{fmean(outcome.piece.seconds for outcome in every):.0f}",
    ]
    if baseline is None or name == BASELINE:
        cells += ["–", "–"]
    else:
        cells.append(shown(differences(group, baseline, lambda outcome: outcome.area), "+.3f"))
        cells.append(shown(differences(group, baseline, lambda outcome: outcome.final), "+.1f"))
    return "| " + " | ".join(cells) + " |"


HEAD = (
    "| system | seeds | area under best-so-far | final regret | proposals to best-of-N's median | interval covers "
    "| reported − true | answers asked for | judged | evaluations | s | area − best-of-N | final − best-of-N |"
)


def contest_table(found: Mapping[tuple[str, str], Mapping[int, Outcome]], systems: Sequence[str]) -> list[str]:
    """A table for each problem."""
    lines = []
    for name in PROBLEM_NAMES:
        groups = {system: found[name, system] for system in systems if (name, system) in found}
        if groups:
            lines += [f"### {name}", "", HEAD, "|" + "---|" * 13]
            lines += [row(system, group, found.get((name, BASELINE))) for system, group in groups.items()]
            lines.append("")
    return lines


def ablation_table(found: Mapping[tuple[str, str], Mapping[int, Outcome]]) -> list[str]:
    """What each part is worth: ours without it, minus ours, seed by seed."""
    lines = ["| problem | without | seeds | area − ours | final − ours |", "|---|---|---|---|---|"]
    for name in PROBLEM_NAMES:
        whole = found.get((name, OURS))
        for variant in VARIANTS:
            group = found.get((name, variant))
            if whole is None or group is None or variant == OURS:
                continue
            area = differences(group, whole, lambda outcome: outcome.area)
            final = differences(group, whole, lambda outcome: outcome.final)
            what = variant.removeprefix("ours-no-").replace("ours-", "only ")
            lines.append(f"| {name} | {what} | {len(area)} | {shown(area, '+.3f')} | {shown(final, '+.1f')} |")
    return lines if len(lines) > 2 else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true", help="the figures of every piece instead of tables")
    options = parser.parse_args()
    found, waiting = outcomes(options.out)
    if options.json:
        for (name, system), group in found.items():
            for seed, outcome in group.items():
                figures = {"area": outcome.area, "final": outcome.final, "error": outcome.error}
                figures |= {"reported": outcome.piece.reported, "low": outcome.piece.low, "high": outcome.piece.high}
                print(json.dumps({"problem": name, "system": system, "seed": seed, **figures, "curve": outcome.curve}))
        return
    if waiting:
        print(f"{waiting} pieces are left out until truth.py has measured their programs.\n")
    print("\n".join(contest_table(found, [BASELINE, OURS, *PEERS])))
    ablation = ablation_table(found)
    if ablation:
        print("\n".join(["### Ablation", "", *ablation]))
    failed = [outcome.piece for group in found.values() for outcome in group.values() if outcome.piece.error]
    for piece in failed:
        print(f"- {piece.system} failed on {piece.problem} with seed {piece.seed}: {piece.error[:300]}")


if __name__ == "__main__":
    main()
