"""What becomes of the offline operators' proposals, operator by operator, on two small streams of `eplb`.

    python bench/operators.py --n 6               each operator six times on each parent
    python bench/operators.py --only mutate       one operator, split by kind of change

Parents are the seeds and the programs in `operator_parents/`, which are written the way language models write them.
Valid: the judge's outcome is ok. Changed: the objective differs from the parent's in some window, of those valid.
Better: its score lies above the parent's on these same streams, of those valid: luck included. All in the judge's own
sandbox. Times are of the processor, in ms a proposal.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from evaluators.block import Block
from evaluators.eplb.problem import FOLDER, Eplb
from evaluators.judge import Judge
from evaluators.model import Evaluation, Outcome, Split
from evaluators.workloads.generator import derive_seed
from evaluators.workloads.regimes import Regime
from evaluators.workloads.stream import LoadStream
from evaluators.workloads.suite import V2_LITE_8, V2_LITE_32_BY_3, StreamDefinition, build_stream, load_law
from evolve.proposal import Context, Material, ProposalError, Selection
from evolve.proposers.operators import WEIGHTS, Operators
from seeds import read_seeds

WINDOWS = 5
WIDTHS = (6, 6, 8, 10, 9, 6, 6)
LAYERS = 8
GATE_SECONDS = 1.5
PARENTS = Path(__file__).parent / "operator_parents"


@dataclass(slots=True)
class Tally:
    """What came of one operator's proposals."""

    asked: int = 0
    made: int = 0
    valid: int = 0
    changed: int = 0
    better: int = 0
    milliseconds: list[float] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)


def draw(split: Split, seed: bytes) -> Sequence[LoadStream]:
    """Two streams of a few windows and layers: five times as quick as one of the suite."""
    machines = ((V2_LITE_8, Regime.DRIFTING), (V2_LITE_32_BY_3, Regime.ABRUPT))
    streams = []
    for machine, regime in machines:
        deployment = dataclasses.replace(machine, layers=LAYERS)
        definition = StreamDefinition(
            name=f"{machine.num_gpus}gpu",
            deployment=deployment,
            generator=load_law(deployment),
            regime=regime,
            scored_windows=WINDOWS,
        )
        stream = build_stream(definition, derive_seed(seed, f"{split.value}/{machine.num_gpus}"))
        # A loaded machine shall not make programs invalid; what hangs or is ten times too slow still is.
        streams.append(dataclasses.replace(stream, gate_seconds=GATE_SECONDS))
    return streams


def series_of(evaluation: Evaluation) -> tuple[float, ...]:
    """What tells two behaviours apart: objective, balance and share moved of each stream."""
    return tuple(
        value
        for result in evaluation.workloads
        for value in (result.objective, result.metrics["balance"], result.metrics["moved"])
    )


def context_of(problem: Eplb, seeds: Sequence[Material], rng: Random) -> Context:
    facts = problem.declaration
    return Context(
        statement="",
        entry=facts.entry,
        parameters=facts.parameters,
        optional_parameters=facts.optional_parameters,
        allowed_imports=facts.allowed_imports,
        seeds=seeds,
        rng=rng,
    )


class Bench:
    """Proposes and judges; parents are judged once."""

    def __init__(self) -> None:
        self.problem = Eplb(draw, "bench")
        self.judge = Judge(self.problem, secret=bytes(32), clock=time.perf_counter)
        self.block: Block = self.judge.block(Split.TRAIN, 0)
        texts = [(seed.name, seed.source) for seed in read_seeds(FOLDER)]
        self.seeds = [Material(number=n, source=text, title=name) for n, (name, text) in enumerate(texts)]
        others = [(path.stem, path.read_text(encoding="utf-8")) for path in sorted(PARENTS.glob("*.py"))]
        self.others = [
            Material(number=len(texts) + n, source=text, title=name) for n, (name, text) in enumerate(others)
        ]
        self.verdicts = {m.number: self.judge.evaluate(m.source, self.block) for m in self.parents}
        self.operators = Operators(stack_share=0.0)

    @property
    def parents(self) -> list[Material]:
        return [*self.seeds, *self.others]

    def try_once(self, parent: Material, operator: str, seed: int, tally: dict[str, Tally], *, by_kind: bool) -> None:
        others = tuple(material for material in self.others if material.number != parent.number)
        context = context_of(self.problem, self.seeds, Random(f"{parent.number}/{operator}/{seed}"))
        started = time.process_time()
        try:
            made = self.operators.propose(Selection(parent=parent, inspirations=others), context, operator=operator)
        except ProposalError:
            tally[operator].asked += 1
            return
        took = 1000 * (time.process_time() - started)
        row = tally[made.operator if by_kind else operator]
        row.asked += 1
        row.made += 1
        row.milliseconds.append(took)
        verdict = self.judge.evaluate(made.source, self.block)
        if verdict.outcome is not Outcome.OK:
            why = f"{verdict.outcome.value}: {made.operator}: {made.note[:70]}: {verdict.reason[:110]}"
            row.reasons[why] += 1
            return
        theirs = self.verdicts[parent.number]
        row.valid += 1
        row.changed += series_of(verdict) != series_of(theirs)
        assert verdict.score is not None
        assert theirs.score is not None
        row.better += verdict.score > theirs.score + 1e-9


def show(tally: dict[str, Tally]) -> None:
    heads = ("asked", "made", "valid %", "changed %", "better %", "ms", "p90")
    print(f"{'operator':>28} " + " ".join(f"{head:>{width}}" for head, width in zip(heads, WIDTHS, strict=True)))
    whole = Tally()
    for name in sorted(tally):
        row = tally[name]
        for figure in ("asked", "made", "valid", "changed", "better"):
            setattr(whole, figure, getattr(whole, figure) + getattr(row, figure))
        whole.milliseconds += row.milliseconds
        line(name, row)
    line("all", whole)


def line(name: str, row: Tally) -> None:
    times = sorted(row.milliseconds) or [0.0]
    valid = 100 * row.valid / max(1, row.made)
    changed, better = (100 * each / max(1, row.valid) for each in (row.changed, row.better))
    print(
        f"{name:>28} {row.asked:6} {row.made:6} {valid:8.0f} {changed:10.0f} {better:9.0f} "
        f"{statistics.median(times):6.1f} {times[int(0.9 * (len(times) - 1))]:6.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=6, help="proposals of each operator for each parent (default 6)")
    parser.add_argument("--only", default="", help="only this operator, split by kind of change")
    parser.add_argument("--reasons", action="store_true", help="list why proposals failed")
    options = parser.parse_args()
    bench, tally = Bench(), defaultdict[str, Tally](Tally)
    for operator in [options.only] if options.only else list(WEIGHTS):
        for parent in bench.parents:
            for seed in range(options.n):
                bench.try_once(parent, operator, seed, tally, by_kind=bool(options.only))
    bench.judge.close()
    show(tally)
    if options.reasons:
        for row in tally.values():
            for reason, count in row.reasons.most_common():
                print(f"{count:3} {reason}")


if __name__ == "__main__":
    main()
