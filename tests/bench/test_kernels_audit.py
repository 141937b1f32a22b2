"""The script's step on audits: its planted faults still fit the seeds, and its table says what was missed."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("torch")

KERNELS = Path(__file__).parents[2] / "bench" / "kernels"


def module(name: str) -> ModuleType:
    if str(KERNELS) not in sys.path:
        sys.path.append(str(KERNELS))  # as it is for a script, which finds its neighbours there
    return importlib.import_module(name)


@pytest.mark.parametrize("name", ["topk_gating", "moe_combine"])
def test_faults_are_planted_in_the_seed(name: str) -> None:
    problem = module("ground").kernel_problem(name)
    honest, beyond, twice = module("step_audit").plants(problem)
    decent = module("ground").source_of(problem, "decent")
    assert len({decent, honest.source, beyond.source, twice.source}) == 4
    assert (honest.outcome, beyond.outcome.value, twice.outcome) == ("ok", "wrong", "ok")
    added = set(beyond.source.splitlines()) - set(decent.splitlines())
    assert len(added) == 1
    assert "volatile=True" in added.pop()
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(twice.source)) if isinstance(node, ast.Call)]
    launches = [call for call in calls if call.startswith("_")]
    assert len(launches) == 2
    assert len(set(launches)) == 1


def test_a_seed_that_has_changed_is_said_so() -> None:
    step, problem = module("step_audit"), module("ground").kernel_problem("topk_gating")
    with pytest.raises(ValueError, match="mend TAIL"):
        step.reads_beyond(problem, "def topk_gating(logits, k):\n    return logits\n")
    with pytest.raises(ValueError, match="not one launch"):
        step.launches_twice("def topk_gating(logits, k):\n    return logits\n")


def row(held: bool, sanitizer: str) -> dict[str, object]:
    told = {"outcome": "ok", "launches": "none", "sanitizer": sanitizer, "reason": ""}
    return {"program": "other constants", **told, "seconds": 20.0, "plain_seconds": 0.5, "held": held}


def test_what_did_not_end_as_it_must_is_missed() -> None:
    section = module("figures").section
    whole = section("audit", {"problems": {"x": {"programs": [row(True, "memcheck: no error")]}}})
    assert [target.verdict for target in whole.targets] == ["met", "met"]
    broken = section("audit", {"problems": {"x": {"programs": [row(False, "not done: compute-sanitizer: ...")]}}})
    assert [target.verdict for target in broken.targets] == ["**missed**", "**missed**"]
    assert "**no**" in broken.text
    assert [target.verdict for target in section("audit", {}).targets] == ["not measured"] * 2


def test_a_step_for_which_no_time_is_left_keeps_what_it_had(tmp_path: Path) -> None:
    run, stages = module("run"), module("stages")
    names = ["topk_gating"]
    before = {"status": "whole", "error": "", "seconds": 9.0, "problems": names, "result": {"complete": True}}
    steps = {"audit": [dict(before)]}
    wanted = dict.fromkeys(("audit", "cheats"), tuple(names))
    run.run_all(stages.chosen(["audit", "cheats"]), wanted, 1.0, tmp_path, steps)
    assert steps["audit"] == [before]
    assert [part["status"] for part in steps["cheats"]] == ["not begun"]
