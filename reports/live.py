"""The live view of a run: a function of what the archive says and of how far the run has come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from db.records import ArmRecord, RunRecord, Standing
from evaluators.foreign.claim import is_claim
from evaluators.model import Split
from evaluators.statistics import Estimate
from reports.arms import WithArms, spared_text
from reports.formats import Column, Listing, Row
from reports.leaderboard import made, outcome_words, repeats, tally
from reports.lineage import Step
from reports.text import claim_note, count, duration, estimate_text, one_line, points, signed, tag

_BLOCKS = "▁▂▃▄▅▆▇█"
_TOP = 5
_FRAME_LINES = 3  # the frame's two, and the one that the cursor stands in
_GAUGE_CELLS = 40
_GAUGE_FRAME = "baseline 0 ├{}┤ 100 reference"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run has come, by its driver's clock.

    Args:
        elapsed_seconds: search time used so far, over all sittings.
        budget_seconds: search time granted; None for no limit.
        budget_evaluations: evaluations granted; None for no limit.
        evaluations_done: evaluations that count against the budget.
        evaluations_per_second: recent rate.
        in_flight: evaluations under way.
        phase: what is going on, such as ``"search"`` or ``"final measurement"``.
        workers: how many evaluations can run at a time.
        budget_tokens: tokens of language models granted; None for no limit.
        budget_cost: US dollars granted; None for no limit.
        tokens: tokens used.
        cost: US dollars spent, as far as prices are known.
    """

    elapsed_seconds: float
    budget_seconds: float | None
    budget_evaluations: int | None
    evaluations_done: int
    evaluations_per_second: float
    in_flight: int
    phase: str
    workers: int
    budget_tokens: int | None = None
    budget_cost: float | None = None
    tokens: int = 0
    cost: float = 0.0

    @property
    def fraction(self) -> float | None:
        """Share of the budget used, by whichever limit is nearer; None without a limit."""
        shares = []
        if self.budget_seconds is not None:
            shares.append(self.elapsed_seconds / self.budget_seconds if self.budget_seconds > 0 else 1.0)
        if self.budget_evaluations is not None:
            done, granted = self.evaluations_done, self.budget_evaluations
            shares.append(done / granted if granted > 0 else 1.0)
        if self.budget_tokens:
            shares.append(self.tokens / self.budget_tokens)
        if self.budget_cost:
            shares.append(self.cost / self.budget_cost)
        return min(max(shares), 1.0) if shares else None

    @property
    def eta_seconds(self) -> float | None:
        """Time until the first limit is met at the present rate; None where that cannot be told."""
        times = []
        if self.budget_seconds is not None:
            times.append(max(self.budget_seconds - self.elapsed_seconds, 0.0))
        if self.budget_evaluations is not None and self.evaluations_per_second > 0:
            left = max(self.budget_evaluations - self.evaluations_done, 0)
            times.append(left / self.evaluations_per_second)
        return min(times, default=None)


def best_of(run: RunRecord, standings: Sequence[Standing]) -> Standing | None:
    """The standing of the candidate that the run calls best, if it is among these."""
    return next((standing for standing in standings if standing.number == run.best), None)


def live_view(
    run: RunRecord,
    standings: Sequence[Standing],
    progress: Progress,
    *,
    scale: str,
    seed: Standing | None = None,
    ancestry: Sequence[Step] = (),
    arms: Sequence[ArmRecord] = (),
) -> RenderableType:
    """The whole view; right from 40 columns on, and without colour.

    Args:
        run: the run's record.
        standings: its leaders, best first; five are shown, and the best is looked up among all of them.
        progress: how far it has come.
        scale: what 0 and 100 mean.
        seed: the best unmodified seed, to compare with.
        ancestry: the best candidate's lineage, itself first (`reports.lineage.lineage`), drawn as a curve.
        arms: what its bandit pulls (`Archive.arms`), shown where the terminal is high enough.
    """
    parts: list[RenderableType] = [_budget(progress), Text("")]
    parts += _best(run, best_of(run, standings), seed)
    parts.append(Text(scale, style="dim"))
    curve = _curve(ancestry)
    if curve:
        parts.append(Text(curve, no_wrap=True, overflow="ellipsis"))
    parts += [Text(""), Text(_tally(run)), Text(_discarded(run))]
    if spared_text(run):
        parts.append(Text(spared_text(run)))
    if standings:
        parts += [Text(""), _leaders(run, standings[:_TOP])]
    title = Text(f"evolve {run.problem} · {one_line(run.name, limit=40)} · {progress.phase}", style="bold")
    view = WithArms(view=Group(*parts), records=arms, margin=_FRAME_LINES)
    return Panel(view, title=title, title_align="left", padding=(0, 1))


def _used(progress: Progress) -> tuple[str, str]:
    """Time and evaluations used, each with what was granted if there is a limit."""
    spent = duration(progress.elapsed_seconds)
    if progress.budget_seconds is not None:
        spent += f" of {duration(progress.budget_seconds)}"
    done = count(progress.evaluations_done)
    if progress.budget_evaluations is not None:
        done += f" of {count(progress.budget_evaluations)}"
    return spent, done


def _budget(progress: Progress) -> RenderableType:
    rate = f"{progress.evaluations_per_second:.1f}/s" if progress.evaluations_per_second > 0 else "–/s"
    busy = f"{count(progress.in_flight)} in flight on {count(progress.workers, 'worker')}"
    spent, done = _used(progress)
    facts = Text(f"{spent} · {done} evaluations · {rate} · {busy}")
    models = _models_used(progress)
    if models:
        facts.append(f"\nmodels: {models}")
    if progress.fraction is None:
        return Group(Text("no limit: runs until it is stopped"), facts)
    left = progress.eta_seconds
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(
        ProgressBar(total=1.0, completed=progress.fraction),
        Text(f"{progress.fraction:4.0%}" + (f" · {duration(left)} left" if left is not None else "")),
    )
    return Group(grid, facts)


def _models_used(progress: Progress) -> str:
    """Tokens and cost of language models, each with what was granted if there is a limit; empty without models."""
    if not (progress.tokens or progress.budget_tokens or progress.budget_cost):
        return ""
    tokens = f"{count(progress.tokens)} tokens"
    if progress.budget_tokens is not None:
        tokens = f"{count(progress.tokens)} of {count(progress.budget_tokens)} tokens"
    if progress.budget_cost is not None:
        return f"{tokens} · ${progress.cost:,.2f} of ${progress.budget_cost:,.2f}"
    return f"{tokens} · ${progress.cost:,.2f}" if progress.cost else tokens


def _best(run: RunRecord, best: Standing | None, seed: Standing | None) -> list[RenderableType]:
    split = run.best_split or Split.TRAIN
    estimate = best.estimates.get(split) if best is not None else None
    if best is None or estimate is None:
        return [Text("best: none yet", style="bold")]
    facts = f"95 %, {split.value}, n = {estimate.n}{claim_note(run.problem)}"
    line = f"best {tag(best.number)}  {estimate_text(estimate)} points ({facts})"
    common = [shared for shared in (split, Split.TRAIN) if seed and shared in seed.estimates.keys() & best.estimates]
    if seed is not None and common and seed.number != best.number:
        lead = signed(best.estimates[common[0]].mean - seed.estimates[common[0]].mean)
        rival = made(seed.proposer, seed.operator)
        line += f"\n{lead} over the best unmodified seed on {common[0].value}, {rival}"
    head = Text(line, style="bold")
    by = Text(f"by {made(best.proposer, best.operator)}", no_wrap=True, overflow="ellipsis")
    if best.note.strip():
        by.append(f": {one_line(best.note, limit=120)}")
    return [
        head,
        by,
        *([] if is_claim(run.problem) else [_Gauge(estimate)]),
    ]  # a claim has no ends of ours to lie between


@dataclass(frozen=True, slots=True)
class _Gauge:
    """`gauge` as wide as the terminal allows."""

    estimate: Estimate

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        cells = max(8, min(_GAUGE_CELLS, options.max_width - len(_GAUGE_FRAME) + 2))
        yield Text(gauge(self.estimate.mean, self.estimate.low, self.estimate.high, cells))


def gauge(score: float, low: float, high: float, cells: int = _GAUGE_CELLS) -> str:
    """A score between baseline (0) and reference (100), with its interval drawn as a thinner line.

    Scores beyond an end are drawn at the end, with an arrow.
    """

    def cell(value: float) -> int:
        return round(min(max(value, 0.0), 100.0) / 100 * (cells - 1))

    track = ["·"] * cells
    for index in range(cell(low), cell(high) + 1):
        track[index] = "─"
    track[cell(score)] = "◀" if score < 0 else "▶" if score > 100 else "●"
    return _GAUGE_FRAME.format("".join(track))


def sparkline(values: Sequence[float]) -> str:
    """Values as blocks of rising height, the lowest and the highest value at the ends."""
    if not values:
        return ""
    low, high = min(values), max(values)
    if high == low:
        return _BLOCKS[0] * len(values)
    return "".join(_BLOCKS[round((value - low) / (high - low) * (len(_BLOCKS) - 1))] for value in values)


def _curve(ancestry: Sequence[Step]) -> str:
    """The scores along the best candidate's line, its seed first."""
    scores = [
        step.standing.estimates[Split.TRAIN].mean
        for step in reversed(ancestry)
        if Split.TRAIN in step.standing.estimates
    ]
    if len(scores) < 2:
        return ""
    shown = scores[-30:]
    origin = tag(ancestry[-1].standing.number)
    steps = count(len(scores) - 1, "step")
    return f"its line {points(shown[0])} {sparkline(shown)} {points(shown[-1])}, {steps} from {origin} (train)"


def _tally(run: RunRecord) -> str:
    words = outcome_words(tally(run)) or "nothing evaluated yet"
    again = repeats(run)
    return f"outcomes: {words}" + (f" · {count(again, 'repeat measurement')}" if again else "")


def _discarded(run: RunRecord) -> str:
    return f"discarded unjudged: {count(run.duplicates, 'duplicate')}, {count(run.unusable)} unusable"


def _leaders(run: RunRecord, leaders: Sequence[Standing]) -> Listing:
    rows: list[Row] = [
        {
            "mark": "★" if standing.number == run.best else "",
            "number": tag(standing.number),
            "train": estimate_text(standing.estimates.get(Split.TRAIN)),
            "validation": estimate_text(standing.estimates.get(Split.VALIDATION)),
            "made": made(standing.proposer, standing.operator),
        }
        for standing in leaders
    ]
    columns = (
        Column(title="top", path=("mark",), numeric=False),
        Column(title="", path=("number",)),
        Column(title="train", path=("train",)),
        Column(title="validation", path=("validation",), priority=1),
        Column(title="made by", path=("made",), numeric=False, flexible=True),
    )
    return Listing(rows=rows, columns=columns, name_hidden=False)


def heartbeat_line(run: RunRecord, best: Standing | None, progress: Progress) -> str:
    """One line a minute where there is no terminal to draw on."""
    spent, done = _used(progress)
    words = outcome_words(tally(run)) or "nothing yet"
    standing = f"best {_scored(run, best)}" if best is not None else "no best yet"
    rate = f"{progress.evaluations_per_second:.1f}/s"
    models = _models_used(progress)
    return (
        f"[{spent}] {progress.phase}: {done} evaluations ({words}), {rate}, {standing}"
        + (f", models {models}" if models else "")
        + (f", {spared_text(run)}" if spared_text(run) else "")
    )


def new_best_line(
    run: RunRecord, best: Standing, previous: int | None, lead: Estimate | None, progress: Progress
) -> str:
    """One line for each new best where there is no terminal to draw on.

    Args:
        run: the run's record.
        best: the new best.
        previous: number of the best before it.
        lead: its paired lead over that one on workloads that both have met (`reports.summary.advantage`);
            a difference of pooled scores would compare different workloads.
        progress: how far the run has come.
    """
    gain = ""
    if previous is not None and lead is not None:
        gain = f", {signed(lead.mean)} over {tag(previous)} on the same workloads"
    note = f": {one_line(best.note, limit=100)}" if best.note.strip() else ""
    by = made(best.proposer, best.operator)
    return f"[{duration(progress.elapsed_seconds)}] new best {_scored(run, best)}{gain}, by {by}{note}"


def _scored(run: RunRecord, best: Standing) -> str:
    split = run.best_split or Split.TRAIN
    return f"{tag(best.number)} {estimate_text(best.estimates.get(split))} ({split.value}{claim_note(run.problem)})"
