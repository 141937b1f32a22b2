from __future__ import annotations

import json
import math
from typing import Any

import pytest
from rich.console import Console

from reports import arms
from reports.text import plain_text


def lines(records: Any, width: int = 120) -> list[str]:
    return [" ".join(line.split()) for line in plain_text(arms.arms_table(records), width).splitlines()]


def test_the_table_gives_units_in_its_head(arm: Any) -> None:
    shown = lines([arm("operators", "graft", "", "adaptive", in_flight=2)])
    assert shown[0] == "ok improved reward a pull takes"
    assert shown[1] == "arm pulls in flight judged (%) (%) (0–1) (% of budget) judging index"
    assert shown[3] == "operators graft adaptive 20 2 16 75 25 0.125 0.25 1m 15s 0.200"


def test_tokens_and_money_are_shown_where_models_were_asked(arm: Any) -> None:
    asked = arm("llm", "rewrite", "small-model", tokens=12_345, usd=1.234)
    shown = lines([asked, arm("operators", "graft")], 160)
    assert "tokens (USD) index" in shown[1]
    assert shown[3].endswith("1m 15s 12,345 1.23 0.200")
    assert shown[4].endswith("1m 15s 0 0.00 0.200")
    free = lines([arm("llm", "rewrite", "small-model", tokens=12_345)], 160)
    assert "tokens index" in free[1], "no price, no column of money"


def test_an_arm_that_nothing_is_known_of(arm: Any) -> None:
    fresh = arm("tuner", pulls=1, candidates=0, ok=0, improved=0, reward=0.0, cost=0.0, seconds=0.0, index=math.inf)
    assert lines([fresh])[3] == "tuner 1 0 0 – – – 0 0.0s ∞"
    assert json.loads(str(arms.arms_table([fresh], "json")))[0]["index"] is None
    assert lines([]) == [arms.EMPTY]


def test_narrow_terminals_keep_name_pulls_and_what_improved(arm: Any) -> None:
    text = plain_text(arms.arms_table([arm("operators", "graft")]), 36)
    assert text.split()[:4] == ["improved", "arm", "pulls", "(%)"]
    assert all(len(line) <= 36 for line in text.splitlines())


def test_programs_get_full_precision(arm: Any) -> None:
    (row,) = json.loads(str(arms.arms_table([arm("llm", "rewrite", "m", "beam", reward=1 / 3)], "json")))
    assert (row["arm"], row["proposer"], row["operator"], row["model"], row["selector"]) == (
        "llm rewrite m beam",
        "llm",
        "rewrite",
        "m",
        "beam",
    )
    assert (row["reward"], row["ok_share"], row["usd"]) == (1 / 3, 0.75, 0.0)
    header, values = str(arms.arms_table([arm("operators")], "csv")).splitlines()
    assert header == "arm,pulls,in_flight,candidates,ok_share,improved_share,reward,cost,seconds,index"
    assert values == "operators,20,0,16,0.75,0.25,0.125,0.0025,75.0,0.2"


def test_a_hostile_name_is_disarmed(arm: Any) -> None:
    evil = arm("llm", "[red]x\x1b[2J", "m\nn")
    assert "\x1b" not in plain_text(arms.arms_table([evil])) + arms.arms_earned([evil])
    assert arms.arms_earned([evil]).endswith("llm [red]x m n 4 of 20 pulls")


def test_which_arms_earned_their_pulls(arm: Any) -> None:
    records = [
        arm("operators", "graft", pulls=50, improved=4),
        arm("operators", "delete", pulls=40, improved=0),
        arm("llm", "rewrite", "m", pulls=10, improved=7),
        arm("operators", "swap", pulls=9, improved=4),
        arm("operators", "new", pulls=4, improved=0),
        arm("tuner", improved=1),
        arm("llm", "merge", "m", pulls=9, in_flight=2, candidates=0, improved=0),  # all in vain
        arm("replay", pulls=9, in_flight=5, candidates=4, improved=0),
    ]
    assert arms.arms_earned(records).splitlines() == [
        "earned their pulls, lower bound above the parent's: llm rewrite m 7 of 10 pulls; operators swap 4 of 9 pulls; "
        "operators graft 4 of 50 pulls; 1 more",
        "improved on nobody: operators delete 0 of 40; llm merge m 0 of 9",
    ]
    assert arms.arms_earned([]) == arms.arms_earned(records[-1:]) == arms.arms_earned(records[4:5]) == ""


def test_what_racing_spared(new_run: Any) -> None:
    built = new_run()
    built.add([10.0, 12.0])  # 1.25 s
    assert arms.spared_text(built.run) == ""
    built.stopped([], 3, 1.0)
    assert arms.spared_text(built.run) == "racing spared 3 of 5 workloads", "what they would take is unknown"
    built.stopped([1.0], 2, 1.0)
    assert arms.spared_text(built.run) == "racing spared 5 of 8 workloads, about 2.0s of judging (38 %)"
    assert arms.effort_text(built.run, []) == arms.spared_text(built.run)


@pytest.mark.parametrize("height", [3, 25])
def test_without_arms_a_view_is_what_it_was(height: int) -> None:
    console = Console(width=40, height=height, file=None, color_system=None)
    with console.capture() as capture:
        console.print(arms.WithArms(view="one\ntwo", records=()))
    assert capture.get() == "one\ntwo\n"
