from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from evaluators.model import Outcome, Split
from reports.evaluation import evaluation_json, evaluation_view, headline
from reports.formats import to_json
from reports.text import plain_text


def test_the_schema(measure: Any, metrics: Any) -> None:
    value = json.loads(to_json(evaluation_json(measure([10.0, 20.0], block=3), metrics)))
    assert list(value) == [
        "problem", "reported_by", "split", "outcome", "reason", "score", "stderr", "n", "low", "high", "metrics",
        "workloads", "seconds", "host", "digest", "block",
    ]  # fmt: skip
    assert (value["problem"], value["split"], value["outcome"], value["block"]) == ("eplb", "train", "ok", 3)
    assert value["score"] == 15.0
    assert value["n"] == 2
    assert value["low"] < 15.0 < value["high"]
    assert value["metrics"] == {
        "runtime": {"value": 12.5, "unit": "ms"},
        "balance": {"value": 0.91, "unit": ""},
    }
    assert list(value["workloads"][0]) == [
        "name", "stratum", "objective", "baseline", "reference", "ceiling", "share", "stderr", "metrics",
    ]  # fmt: skip
    assert value["workloads"][1]["share"] == 20.0
    assert value["workloads"][1]["metrics"]["runtime"] == {"value": 12.5, "unit": "ms"}
    assert value["host"] == {"machine": "test host", "python": "3.11"}


def test_a_failure_has_a_reason_and_no_numbers(fail: Any, metrics: Any) -> None:
    value = evaluation_json(fail(Outcome.CRASHED, reason="\x1b[31mZeroDivisionError\nline 3"), metrics)
    assert value["reason"] == "ZeroDivisionError line 3"
    assert [value[key] for key in ("score", "stderr", "low", "high", "n")] == [None, None, None, None, 0]


def test_headlines(measure: Any, fail: Any) -> None:
    ok = measure([10.0, 20.0], split=Split.VALIDATION, block=3)
    assert headline(replace(ok, low=13.0, high=17.0)) == (
        "ok: 15.0 ± 2.0 points (95 % interval 13.0 to 17.0, n = 2; validation block 3, 1.2s)"
    )
    assert headline(fail(Outcome.OUT_OF_MEMORY, reason="over 2 GiB")) == (
        "out_of_memory (train block 0, 0.0s): over 2 GiB"
    )


def test_the_view_breaks_down_by_workload(measure: Any, metrics: Any) -> None:
    shown = plain_text(evaluation_view(measure([10.0, 20.0]), metrics), 160)
    assert "runtime 12.5 ms · balance 0.91" in shown
    assert "runtime ↓" in shown
    assert "balance ↑" in shown
    assert "train-1" in shown
    assert "host: machine test host · python 3.11" in shown
    assert "left out" not in shown


def test_foreign_text_is_shown_literally_and_cut(fail: Any, metrics: Any) -> None:
    log = "".join(f"line {index}\x1b[2J [bold]\n" for index in range(50))
    failure = fail(Outcome.WRONG, reason="[red]bad[/red] " + "x" * 5000, log=log)
    shown = plain_text(evaluation_view(failure, metrics), 300)
    assert "[red]bad[/red] xxx" in shown
    assert "x…\n" in shown
    assert "line 49\\x1b[2J [bold]" in shown
    assert "last 20 of 50 lines" in shown
    assert "line 29" not in shown
    assert "\x1b" not in shown


def test_without_workloads_or_log_there_is_only_the_verdict(fail: Any, metrics: Any) -> None:
    assert plain_text(evaluation_view(fail(Outcome.REJECTED, reason="imports os"), metrics)) == (
        "rejected (train block 0, 0.0s): imports os\n"
    )


def test_a_gpu_and_its_noise_are_told_before_the_layers_of_the_sandbox(measure: Any, metrics: Any) -> None:
    layers = {f"sandbox layer {number}": "enforced" for number in range(30)}
    host = {"cpu": "a processor", **layers, "gpu": "H200", "A/A noise floor": "at most 1 %"}
    shown = plain_text(evaluation_view(replace(measure([10.0]), host=host), metrics), 1000)
    assert "cpu a processor · gpu H200 · A/A noise floor at most 1 % · sandbox layer 0 enforced" in shown


def test_what_is_only_correct_shows_no_shares(measure: Any, metrics: Any) -> None:
    scored, none = measure([0.0]), dict.fromkeys(("score", "stderr", "low", "high"))
    found = replace(scored, outcome=Outcome.CORRECT, reason="speed was not judged", **none)
    shown = plain_text(evaluation_view(found, metrics), 160)
    assert shown.startswith("correct (")
    assert "speed was not judged" in shown
    assert "runtime ↓" in shown
    assert "share" not in shown
    assert "objective" not in shown
