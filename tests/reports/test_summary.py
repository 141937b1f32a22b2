from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from evaluators.model import Outcome, Split
from evaluators.statistics import Estimate, paired
from reports import summary
from reports.text import plain_text


def test_last_line(small: Any) -> None:
    best = small.archive.standing(small.id, 4)
    assert summary.last_line(small.run, best) == (
        "6 evaluated: 5 ok, 1 wrong - best #0004 56.0 ± 2.8 (baseline 0, reference 100) in 8m 12s"
    )
    assert summary.last_line(small.run, best, seconds=3.0).endswith("in 3.0s")


def test_last_line_of_failures(new_run: Any) -> None:
    built = new_run()
    for outcome in (Outcome.WRONG, Outcome.TIMEOUT, Outcome.TIMEOUT):
        built.add(outcome)
    assert summary.last_line(built.run, None) == "3 evaluated: 1 wrong, 2 timeout - nothing feasible in 0.0s"


def test_last_line_of_nothing(new_run: Any) -> None:
    assert summary.last_line(new_run().run, None) == "0 evaluated - nothing feasible in 0.0s"


def test_the_lead_is_paired_by_workload(small: Any) -> None:
    records = [small.archive.evaluations(small.id, number) for number in (4, 1)]
    lead = summary.advantage(*records)
    assert lead == paired([51.0, 53.0, 52.0], [1.0, 2.0, 3.0])
    # The pairing is what makes it narrower than two intervals side by side would be.
    assert summary.advantage(*records, split=Split.TRAIN) == paired([60.0, 62.0, 61.0], [0.0, 1.0, -1.0])


def test_only_blocks_that_both_have_met_pair_up(small: Any) -> None:
    small.again(4, [90.0, 90.0, 90.0], Split.HIDDEN, block=7)
    small.again(1, [70.0, 70.0, 70.0], Split.HIDDEN, block=8)
    records = [small.archive.evaluations(small.id, number) for number in (4, 1)]
    assert summary.advantage(*records) == paired([51.0, 53.0, 52.0], [1.0, 2.0, 3.0])
    assert summary.advantage(small.archive.evaluations(small.id, 3), records[1]) is None


def test_of_a_repeated_block_the_latest_counts(small: Any) -> None:
    small.again(4, [61.0, 63.0, 62.0], Split.HIDDEN)
    records = [small.archive.evaluations(small.id, number) for number in (4, 1)]
    assert summary.advantage(*records) == paired([61.0, 63.0, 62.0], [1.0, 2.0, 3.0])


def test_a_lead_of_kernels_counts_the_errors_of_their_times(small: Any) -> None:
    records = []
    for number in (4, 1):
        found = [record for record in small.archive.evaluations(small.id, number) if record.evaluation is not None]
        for place, record in enumerate(found):
            results = tuple(replace(result, stderr=0.3 * number) for result in record.evaluation.workloads)
            clocked = replace(record.evaluation, workloads=results, host={"gpu": "a GPU"})
            found[place] = replace(record, evaluation=clocked)
        records.append(found)
    lead = summary.advantage(*records)
    assert lead is not None
    assert lead.mean == paired([51.0, 53.0, 52.0], [1.0, 2.0, 3.0]).mean
    assert lead.stderr == pytest.approx(math.hypot(1.2, 0.3) / math.sqrt(3))
    assert lead == paired([51.0, 53.0, 52.0], [1.0, 2.0, 3.0], strata="abc", errors=[math.hypot(1.2, 0.3)] * 3)


def test_one_common_workload_has_an_unknown_interval(small: Any) -> None:
    for number, share in ((4, 80.0), (1, 10.0)):
        small.again(number, [share], Split.VALIDATION, block=9)
    records = [small.archive.evaluations(small.id, number) for number in (4, 1)]
    lead = summary.advantage(*records, split=Split.VALIDATION)
    assert lead is not None
    assert lead.mean == 70.0
    assert summary.verdict(lead) == "undecided"


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.1, 2.0, "better"), (-2.0, -0.1, "worse"), (-1.0, 1.0, "undecided"), (0.0, 1.0, "undecided")],
)
def test_verdict(low: float, high: float, word: str) -> None:
    assert summary.verdict(Estimate(mean=(low + high) / 2, stderr=1.0, n=3, low=low, high=high)) == word


def test_the_final_table(small: Any) -> None:
    text = plain_text(summary.final_listing(summary.finalists(small.archive, small.run), small.run), 160)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "lead over #0001" in lines[0]
    assert lines[3] == "#0004 ★ best 52.0 ± 2.8 +50.0 ± 3.6 better 61.0 → 56.0 → 52.0 9.0 (15 %) 1 crossover:forecast"
    assert lines[4].startswith("#0002 2.2 ± 2.8 +0.2 ± 3.7 undecided 30.0 → – → 2.2 27.8 (93 %) 1")
    assert lines[5] == "#0001 seed 2.0 ± 2.8 – – 0.0 → – → 2.0 -2.0 1 seed deepseek"


def test_the_final_rows_for_programs(small: Any) -> None:
    entries = summary.finalists(small.archive, small.run)
    rows = json.loads(str(summary.final_listing(entries, small.run, "json")))
    assert [row["number"] for row in rows] == [4, 2, 1]
    assert rows[0]["advantage"]["score"] == 50.0
    assert rows[0]["way"]["shrinkage"]["hidden"] == {"points": 9.0, "percent": pytest.approx(100 * 9 / 61)}
    assert rows[0]["way"]["first"]["score"] == 61.0
    assert rows[1]["way"]["confirmed"] is None
    assert rows[0]["measurements"] == 1
    assert rows[2]["advantage"] is None
    header = str(summary.final_listing(entries, small.run, "csv")).splitlines()[0]
    assert ",," not in header


def test_the_leads_of_all_finalists_hold_at_once(small: Any) -> None:
    two = {entry.standing.number: entry for entry in summary.finalists(small.archive, small.run)}
    shares = ([51.0, 53.0, 52.0], [1.0, 2.0, 3.0])
    assert two[4].advantage == paired(*shares, confidence=0.975)
    assert two[4].advantage.high > paired(*shares).high


def test_the_view_says_what_its_intervals_mean_and_how_the_score_fared(small: Any) -> None:
    text = plain_text(summary.final_view(summary.finalists(small.archive, small.run), small.run), 160)
    assert text.endswith(
        "lead: paired, simultaneous 95 % interval over 2 finalists\n"
        "#0004: first 61.0 ± 2.8 (train) → confirmed 56.0 ± 2.8 (validation), shrunk by 5.0 points (8 %)"
        " → then 52.0 ± 2.8 (hidden), shrunk by 9.0 points (15 %)\n"
    )


def test_the_view_says_how_the_budget_was_spent(small: Any, arm: Any) -> None:
    small.stopped([1.0, 2.0], 6, 0.5)
    entries = summary.finalists(small.archive, small.run)
    text = plain_text(summary.final_view(entries, small.run, [arm("operators", "graft")]), 160)
    assert text.splitlines()[-2:] == [
        "earned their pulls, lower bound above the parent's: operators graft 4 of 20 pulls",
        "racing spared 6 of 24 workloads, about 1.5s of judging (16 %)",
    ]


def test_without_a_seed_on_the_hidden_split_there_is_no_lead(new_run: Any) -> None:
    built = new_run()
    number = built.add([1.0, 2.0])
    built.again(number, [3.0, 4.0], Split.HIDDEN)
    (entry,) = summary.finalists(built.archive, built.run)
    assert entry.advantage is None
    assert "lead over seed" in plain_text(summary.final_listing([entry], built.run), 160)


def test_no_finalists(new_run: Any) -> None:
    built = new_run()
    assert summary.finalists(built.archive, built.run) == []
    assert plain_text(summary.final_listing([], built.run)) == "nobody was measured on hidden workloads\n"
