from __future__ import annotations

import io
import math
from typing import Any

import pytest
from rich.console import Console

from evaluators.model import Outcome, Split
from evaluators.statistics import paired
from reports import live
from reports.leaderboard import best_seed, outcome_words, repeats, seed_standings, tally
from reports.lineage import lineage
from reports.text import plain_text

SCALE = "0 = deepseek, 100 = next window"


def progress(**changes: Any) -> live.Progress:
    values: dict[str, Any] = {
        "elapsed_seconds": 100.0,
        "budget_seconds": 180.0,
        "budget_evaluations": None,
        "evaluations_done": 412,
        "evaluations_per_second": 4.2,
        "in_flight": 2,
        "phase": "search",
        "workers": 2,
    }
    return live.Progress(**{**values, **changes})


def test_models_used_and_granted_are_shown_only_where_models_are() -> None:
    assert "models" not in plain_text(live._budget(progress()))
    shown = plain_text(live._budget(progress(tokens=12_345, cost=0.846, budget_cost=2.0, budget_seconds=None)))
    assert "models: 12,345 tokens · $0.85 of $2.00" in shown
    assert " 42%" in shown, "the bar follows the money"
    assert "12,345 of 20,000 tokens" in plain_text(live._budget(progress(tokens=12_345, budget_tokens=20_000)))


def view(built: Any, arms: Any = (), **changes: Any) -> Any:
    run, archive = built.run, built.archive
    return live.live_view(
        run,
        archive.standings(run.id),
        progress(**changes),
        scale=SCALE,
        seed=best_seed(seed_standings(archive, run)),
        ancestry=[] if run.best is None else lineage(archive, run, run.best),
        arms=arms,
    )


def on_terminal(renderable: Any, height: int, width: int = 80) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, height=height, color_system=None, force_terminal=True).print(renderable)
    return [line.strip("│ ").rstrip() for line in stream.getvalue().splitlines()]


def test_the_view_at_80_columns(small: Any) -> None:
    text = plain_text(view(small), 80)
    lines = [line.strip("│ ") for line in text.splitlines()]
    assert lines[0].startswith("╭─ evolve eplb · quiet-otter · search ─")
    assert "56% · 1m 20s left" in lines[1]
    assert lines[2:4] == ["1m 40s of 3m 00s · 412 evaluations · 4.2/s · 2 in flight on 2 workers", ""]
    assert lines[4:12] == [
        "best #0004  56.0 ± 2.8 points (95 %, validation, n = 3)",
        "+61.0 over the best unmodified seed on train, seed deepseek",
        "by crossover:forecast: hedge replicas",
        "baseline 0 ├·····················─●─················┤ 100 reference",
        "0 = deepseek, 100 = next window",
        "its line 0.0 ▁▄█ 61.0, 2 steps from #0001 (train)",
        "",
        "outcomes: 5 ok, 1 wrong · 4 repeat measurements",
    ]
    assert lines[12] == "discarded unjudged: 1,234 duplicates, 5 unusable"
    assert lines[16] == "★    #0004   61.0 ± 2.8  56.0 ± 2.8  crossover:forecast"
    assert all(len(line) == 80 for line in text.splitlines())


def test_arms_are_shown_as_far_as_the_terminal_is_high_enough(small: Any, arm: Any) -> None:
    arms = [arm("operators", f"op{index}", pulls=90 - index) for index in range(8)]
    plain = len(on_terminal(view(small), 100))
    assert on_terminal(view(small, arms), plain + 6) == on_terminal(view(small), 100), "no room"
    for height in range(plain + 7, plain + 13):
        lines = on_terminal(view(small, arms), height)
        assert len(lines) < height
        named = [line.split()[:3] for line in lines if line.startswith("operators op")]
        assert named == [["operators", f"op{index}", f"{90 - index}"] for index in range(min(6, height - plain - 6))]
        assert f"and {8 - len(named)} arms less pulled" in lines
    assert len(on_terminal(view(small, arms), 100)) == plain + 4 + 6 + 1
    few = on_terminal(view(small, arms[:3]), 100)
    assert len(few) == plain + 4 + 3
    assert not any("less pulled" in line for line in few)
    titles = next(line for line in few if line.startswith("arm "))
    assert titles.split() == ["arm", "pulls", "in", "flight", "(%)", "(%)", "(0–1)", "(%", "of", "budget)", "index"]


def test_what_racing_spared_is_shown_only_where_it_spared_something(small: Any) -> None:
    assert "racing" not in plain_text(view(small)) + live.heartbeat_line(small.run, None, progress())
    small.stopped([1.0, 2.0], 6, 0.5)
    line = "racing spared 6 of 24 workloads, about 1.5s of judging (16 %)"
    assert line in on_terminal(view(small), 100)
    assert live.heartbeat_line(small.run, None, progress()).endswith(f"no best yet, {line}")


@pytest.mark.parametrize("width", [40, 60, 120])
def test_other_widths_stay_inside_the_frame(small: Any, width: int) -> None:
    text = plain_text(view(small), width)
    assert {len(line) for line in text.splitlines()} == {width}
    assert "56.0 ± 2.8" in text
    assert "100 reference" in text


def test_colour_says_nothing_that_words_do_not(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    Console(file=stream, width=80, force_terminal=True, color_system="truecolor").print(view(small))
    assert "\x1b[3" not in stream.getvalue()
    assert "56% · 1m 20s left" in stream.getvalue()


def test_an_empty_run_without_a_limit(new_run: Any) -> None:
    built = new_run()
    text = plain_text(view(built, budget_seconds=None, evaluations_done=0, evaluations_per_second=0.0))
    assert "no limit: runs until it is stopped" in text
    assert "0 evaluations · –/s" in text
    assert "best: none yet" in text
    assert "outcomes: nothing evaluated yet" in text


def test_a_run_of_failures(new_run: Any) -> None:
    built = new_run()
    built.add(Outcome.CRASHED)
    built.add(Outcome.CHEATED)
    text = plain_text(view(built))
    assert "best: none yet" in text
    assert "outcomes: 1 crashed, 1 cheated" in text


def test_hostile_notes_are_disarmed(new_run: Any) -> None:
    built = new_run()
    number = built.add([1.0, 2.0], operator="[blink]op", note="[red]n\x1b[2Jote")
    built.archive.set_best(built.id, number, Split.TRAIN)
    stream = io.StringIO()
    Console(file=stream, width=80, force_terminal=True).print(view(built))
    assert "by [blink]op: [red]note" in stream.getvalue()
    assert "\x1b[2J" not in stream.getvalue()


@pytest.mark.parametrize(
    ("changes", "fraction", "eta"),
    [
        ({}, 100 / 180, 80.0),
        ({"budget_evaluations": 824, "budget_seconds": None}, 0.5, 412 / 4.2),
        ({"budget_evaluations": 500}, 0.824, 88 / 4.2),
        ({"budget_evaluations": 500, "evaluations_per_second": 0.0}, 0.824, 80.0),
        ({"budget_seconds": None, "budget_evaluations": 9, "evaluations_per_second": 0.0}, 1.0, None),
        ({"budget_seconds": None}, None, None),
        ({"budget_seconds": 50.0}, 1.0, 0.0),
        ({"budget_seconds": 0.0}, 1.0, 0.0),
    ],
)
def test_the_nearer_limit_counts(changes: dict[str, Any], fraction: float | None, eta: float | None) -> None:
    assert progress(**changes).fraction == fraction
    assert progress(**changes).eta_seconds == eta


@pytest.mark.parametrize(
    ("score", "low", "high", "shown"),
    [
        (50.0, 30.0, 70.0, "···─●──···"),
        (-20.0, -30.0, -10.0, "◀·········"),
        (130.0, 90.0, 170.0, "········─▶"),
        (50.0, -math.inf, math.inf, "────●─────"),
        (100.0, 100.0, 100.0, "·········●"),
    ],
)
def test_gauge(score: float, low: float, high: float, shown: str) -> None:
    assert live.gauge(score, low, high, cells=10) == f"baseline 0 ├{shown}┤ 100 reference"


def test_sparkline() -> None:
    assert live.sparkline([0.0, 3.0, 7.0]) == "▁▄█"
    assert live.sparkline([-7.0, 0.0]) == "▁█"
    assert live.sparkline([3.0, 3.0]) == "▁▁"
    assert live.sparkline([]) == ""


def test_lines_without_a_terminal(small: Any) -> None:
    run, archive = small.run, small.archive
    best = archive.standing(run.id, 4)
    assert live.heartbeat_line(run, best, progress(budget_evaluations=1000)) == (
        "[1m 40s of 3m 00s] search: 412 of 1,000 evaluations (5 ok, 1 wrong), 4.2/s, best #0004 56.0 ± 2.8 (validation)"
    )
    assert live.heartbeat_line(run, None, progress(budget_seconds=None)) == (
        "[1m 40s] search: 412 evaluations (5 ok, 1 wrong), 4.2/s, no best yet"
    )
    archive.set_best(run.id, 4, Split.TRAIN)
    lead = paired([61.0, 62.0], [30.0, 31.0])
    assert live.new_best_line(small.run, best, 2, lead, progress()) == (
        "[1m 40s] new best #0004 61.0 ± 2.8 (train), +31.0 over #0002 on the same workloads, "
        "by crossover:forecast: hedge replicas"
    )
    assert " over #" not in live.new_best_line(small.run, best, None, None, progress())


def test_lines_are_single_and_harmless(new_run: Any) -> None:
    built = new_run()
    built.add([1.0, 2.0], operator="op\nnext", note="a\x1b[31mb\r\nc" + "x" * 500)
    line = live.new_best_line(built.run, built.archive.standing(built.id, 0), None, None, progress())
    assert line.isprintable()
    assert line.endswith("…")
    assert len(line) < 250


def test_tally_counts_candidates_once(small: Any) -> None:
    assert tally(small.run) == {Outcome.OK: 5, Outcome.WRONG: 1}
    assert repeats(small.run) == 4
    assert outcome_words({Outcome.OK: 1371, Outcome.OUT_OF_MEMORY: 2}) == "1,371 ok, 2 out of memory"
