from __future__ import annotations

import json

from rich.console import Console

from evaluators.audit.findings import Finding, Part, Verdict
from reports.audit import audit_json, audit_view, passed
from reports.text import plain_text


def finding(name: str, verdict: Verdict, part: Part = Part.CHEATS, found: str = "as it must") -> Finding:
    return Finding(part=part, name=name, verdict=verdict, expected="wrong /x/", found=found, seconds=0.5)


HELD = finding("a", Verdict.HELD)
MISSED = finding("b", Verdict.MISSED, found="ok, \x1b[31mscore\x1b[0m 100")
SKIPPED = finding("c", Verdict.SKIPPED, Part.NOISE, "not to be had here")


def test_nothing_missed_of_something_tried_is_a_pass() -> None:
    assert passed([HELD, SKIPPED])
    assert not passed([HELD, MISSED])
    assert not passed([SKIPPED])
    assert not passed([])


def test_json_has_parts_and_every_attempt() -> None:
    told = json.loads(json.dumps(audit_json("eplb", "abc", 3, [HELD, MISSED, SKIPPED])))
    assert (told["problem"], told["digest"], told["seed"], told["passed"]) == ("eplb", "abc", 3, False)
    assert told["parts"] == [
        {"part": "cheats", "tried": 2, "held": 1, "missed": 1, "skipped": 0},
        {"part": "noise floor", "tried": 1, "held": 0, "missed": 0, "skipped": 1},
    ]
    assert [entry["verdict"] for entry in told["findings"]] == ["held", "missed", "skipped"]
    assert told["findings"][1]["found"] == "ok, score 100", "no control sequences of a candidate"


def test_the_table_shows_what_went_wrong_and_with_details_everything() -> None:
    short = plain_text(audit_view("eplb", [HELD, MISSED, SKIPPED], details=False, seconds=61.0), width=160)
    assert "FAILED: 2 attempts on the evaluator of eplb" in short
    assert "1 missed, 1 skipped" in short
    assert "ok, score 100" in short
    assert "\x1b" not in short
    assert "as it must" not in short
    assert "as it must" in plain_text(audit_view("eplb", [HELD], details=True, seconds=1.0), width=160)
    assert "passed: 1 attempt on" in plain_text(audit_view("eplb", [HELD], details=False, seconds=1.0), width=160)


def test_a_narrow_terminal_keeps_verdict_and_name() -> None:
    console = Console(width=60, record=True, force_terminal=False)
    with console.capture() as capture:
        console.print(audit_view("eplb", [MISSED], details=False, seconds=1.0))
    assert "missed" in capture.get()
    assert "what was tried" in capture.get()
