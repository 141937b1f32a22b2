"""The script on kernels: its time budget, its tables, its resuming, and steps that break, all without a GPU."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

KERNELS = Path(__file__).parents[2] / "bench" / "kernels"


def module(name: str) -> ModuleType:
    if str(KERNELS) not in sys.path:
        sys.path.append(str(KERNELS))  # as it is for a script, which finds its neighbours there
    return importlib.import_module(name)


def timing(us: float, ratio: float, **more: Any) -> dict[str, Any]:
    row = {"us": us, "decent_us": us * ratio, "empty_us": 2.8, "calls": 64}
    return {**row, "ratio": ratio, "low": ratio * 0.99, "high": ratio * 1.01, **more}


def seed(shape: str, program: str, us: float, ratio: float, floor_us: float) -> dict[str, Any]:
    more = {"floor_us": floor_us, "roofline_us": floor_us, "bandwidth_gb_s": 900.0, "registers": 32}
    return timing(us, ratio, shape=shape, program=program, sm_mhz=1980, memory_mhz=3201, **more)


def columns_result(us: float, library_us: float) -> dict[str, Any]:
    shape = "T=32768 E=128 k=8"
    rows = [
        seed(shape, "decent seed", us, 1.0, 5.0),
        seed(shape, "naive seed", 2 * us, 0.5, 5.0),
        timing(library_us, us / library_us, shape=shape, program="vllm", fault=""),
        {"shape": shape, "program": "compiled", "fault": "", "reason": "RuntimeError: a | pipe"},
    ]
    return {"problems": {"topk_gating": {"shapes": [shape], "rows": rows, "absent": {"triton_kernels": "not here"}}}}


def spread_result(us: float, ratios: list[float]) -> dict[str, Any]:
    rows = [timing(us, ratio, shape="T=1", program="naive", process=place % 2) for place, ratio in enumerate(ratios)]
    return {"problems": {"topk_gating": {"rows": [*rows, timing(us, 1.001, shape="T=1", program="decent", process=0)]}}}


def exported_result(module_us: float, replay_us: float, *, same: bool = True) -> dict[str, Any]:
    row = {"shape": "T=1", "program": "decent seed", "exported_us": module_us, "replayed_us": replay_us, "nodes": 2}
    more = {"ratio": replay_us / module_us, "low": 0.9, "high": 1.1, "same_bits": same, "launches": 2, "empty_us": 2.8}
    return {"problems": {"topk_gating": {"rows": [{**row, **more}]}}}


def honest_result(count: int, refused: int) -> dict[str, Any]:
    one = {"program": "decent", "shape": "T=1", "block": 3, "outcome": "wrong", "reason": "too far off"}
    found = {"evaluations": count, "refused": [one] * refused, "programs": {"decent": count}}
    return {"problems": {"topk_gating": {**found, "seconds": [1.0] * count, "gpu_seconds": [0.5] * count}}}


def cheats_result(again: str, *, untried: int = 0) -> dict[str, Any]:
    def finding(name: str, verdict: str) -> dict[str, Any]:
        told = {"expected": "wrong", "found": "ok", "seconds": 1.0}
        return {"part": "cheats", "name": name, "verdict": verdict, **told}

    findings = [finding("outputs: zeros", "held"), finding("timing: spin", "missed")]
    told = {"findings": findings, "again": [finding("timing: spin", again)], "findings_attempts": 2 + untried}
    return {"gpu_seconds": 15.0, "problems": {"topk_gating": told}}


def search_result(low: float, *, is_seed: bool = False) -> dict[str, Any]:
    row = {"shape": "T=9", "us": 8.0, "over_floor": 1.6, "registers": 40.0, "launches": 1.0, "decent_us": 9.0}
    hidden = {
        "block": 0,
        "score": {"mean": 20.0, "low": 10.0, "high": 30.0},
        "speedup": {"mean": 1.2, "low": low, "high": 1.4},
        "shapes": [{**row, "speedup": 1.2, "low": low, "high": 1.4}],
    }
    best = {"number": 7, "proposer": "tuner", "operator": "tune", "named_by": "hidden", "is_seed": is_seed}
    found = {"elapsed_seconds": 100.0, "judged": 50, "judged_per_minute": 30.0, "counts": {"search": {"ok": 50}}}
    shares = {"busy_share": 0.5, "measuring_share": 0.7, "status": "finished"}
    return {"problems": {"topk_gating": {**found, **shares, "winner": {**best, "hidden": hidden}}}}


def verdicts(name: str, result: dict[str, Any]) -> list[bool | None]:
    found = module("figures").SECTIONS[name](result)
    return [target.met for target in found.targets]


def test_time_that_a_step_leaves_goes_to_the_next() -> None:
    stages = module("stages")
    planned = stages.plan(stages.STAGES, 540.0)
    assert sum(seconds for _, seconds in planned) == pytest.approx(540.0)
    # A first step that took nothing leaves more for every other one.
    assert stages.allotted(stages.STAGES[1:], 540.0) > planned[1][1]
    assert stages.allotted(stages.STAGES, 1e6) == stages.STAGES[0].stretch * stages.STAGES[0].wanted_seconds
    assert stages.allotted(stages.STAGES, -3.0) == 0.0
    last = stages.STAGES[-1:]
    assert stages.allotted(last, 300.0) == 300.0


def test_steps_are_chosen_by_name_and_run_in_their_order() -> None:
    stages = module("stages")
    assert [stage.name for stage in stages.chosen(["search", "columns"])] == ["columns", "search"]
    assert stages.chosen([]) == stages.STAGES
    with pytest.raises(ValueError, match="no step nonsense"):
        stages.chosen(["nonsense"])


@pytest.mark.parametrize(
    ("name", "result", "met"),
    [
        ("columns", columns_result(26.0, 39.0), [True, True]),
        ("columns", columns_result(45.0, 60.0), [False, True]),  # over the time known before
        ("columns", columns_result(26.0, 20.0), [False, False]),  # the library is quicker here
        ("spread", spread_result(25.0, [0.800, 0.801, 0.802]), [True, None]),
        ("spread", spread_result(25.0, [0.80, 0.82, 0.81]), [False, None]),
        ("spread", spread_result(5.0, [0.80, 0.82, 0.81]), [None, True]),
        ("exported", exported_result(10.0, 10.7), [True]),  # within 0.4 us for each of two nodes
        ("exported", exported_result(10.0, 10.9), [False]),
        ("exported", exported_result(100.0, 97.2), [True]),
        ("exported", exported_result(10.0, 10.0, same=False), [False]),
        ("honest", honest_result(200, 0), [True]),
        ("honest", honest_result(200, 1), [False]),
        ("honest", honest_result(150, 0), [False]),
        ("cheats", cheats_result("held"), [True]),
        ("cheats", cheats_result("missed"), [False]),
        ("cheats", cheats_result("held", untried=3), [False]),
        ("search", search_result(1.1), [True]),
        ("search", search_result(0.99), [False]),
        ("search", search_result(1.1, is_seed=True), [False]),
    ],
)
def test_a_target_that_is_missed_is_called_missed(name: str, result: dict[str, Any], met: list[bool | None]) -> None:
    assert verdicts(name, result) == met


def test_half_a_result_costs_no_other_table() -> None:
    figures = module("figures")
    for name in figures.SECTIONS:
        assert figures.section(name, {}).text  # a step that was never begun
    broken = figures.section("columns", {"problems": {"topk_gating": {}}})
    assert "cannot be drawn" in broken.text
    assert broken.targets == ()


def test_tables_are_markdown_with_one_row_a_line() -> None:
    drawing = module("drawing")
    text = drawing.table(("<name", "figure"), [("a|b\nc", 1.5), ("d", None)])
    assert text.splitlines() == ["| name | figure |", "|---|---:|", "| a\\|b c | 1.5 |", "| d | – |"]
    told = [drawing.number(value) for value in (39.4123, 0.00251, 1234.5, 0, None)]
    assert told == ["39.4", "0.00251", "1234", "0", "–"]


def make_raw(folder: Path, **results: dict[str, Any]) -> Path:
    steps = {name: [part(result)] for name, result in results.items()}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "raw.json"
    file.write_text(json.dumps({"steps": steps}), encoding="utf-8")
    return file


def part(result: dict[str, Any], status: str = "whole") -> dict[str, Any]:
    return {
        "status": status,
        "error": "",
        "seconds": 12.0,
        "allotted_seconds": 20.0,
        "date": "2026-01-02 03:04 UTC",
        "facts": {"device": "a GPU"},
        "problems": list(result.get("problems", ["topk_gating"])),
        "result": {"complete": True, **result},
    }


def test_parts_of_a_step_come_together_by_problem() -> None:
    raws = module("raws")
    steps: dict[str, list[dict[str, Any]]] = {}
    for names, value in ((("a", "b"), 1), (("b", "c"), 2)):
        raws.add(steps, "search", part({"problems": dict.fromkeys(names, value), "notes": [str(value)]}))
    assert [one["problems"] for one in steps["search"]] == [["a"], ["b", "c"]]
    assert raws.together(steps["search"], ["c"])["problems"] == {"c": 2, "a": 1, "b": 2}
    assert raws.together(steps["search"])["notes"] == ["1", "2"]
    assert raws.missing(steps, "search", ("a", "d")) == ("d",)
    raws.add(steps, "search", {**part({"problems": {"a": 0, "d": 0}}, "not begun"), "result": {}})
    assert raws.together(steps["search"])["problems"] == {"a": 1, "b": 2, "c": 2}, "what was not begun costs nothing"
    assert [one["problems"] for one in steps["search"]][-1] == ["d"]
    raws.add(steps, "search", part({"problems": {"a": 3, "e": 3}}, "partial"))
    assert raws.together(steps["search"])["problems"]["a"] == 1, "what is whole stays"
    assert raws.missing(steps, "search", ("a", "e")) == ("e",)
    raws.add(steps, "search", part({"problems": {"e": 4}}, "broken"))
    assert raws.together(steps["search"])["problems"]["e"] == 4


def test_problems_and_processors_are_dealt_to_the_gpus() -> None:
    deal = module("dealing").deal
    hands = deal(("a", "b", "c"), ("0", "3"), range(7))
    assert [(hand.gpu, hand.problems, hand.processors) for hand in hands] == [
        ("0", ("a", "c"), (0, 1, 2)),
        ("3", ("b",), (3, 4, 5)),
    ]
    assert len(deal(("a",), ("0", "1"), range(4))) == 1


def test_every_gpu_runs_the_script_and_the_figures_come_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, dealing = module("run"), module("dealing")
    script = tmp_path / "script.py"
    script.write_text(
        "import json, os, sys\n"
        "out, names = (sys.argv[sys.argv.index(word) + 1] for word in ('--out', '--problems'))\n"
        "raw = json.load(open(sys.argv[0] + '.json'))\n"
        "for part in raw['steps']['honest']:\n"
        "    found = part['result']['problems'].pop('topk_gating')\n"
        "    part['result']['problems'] = {name: found for name in names.split(',')}\n"
        "    part['problems'] = names.split(',')\n"
        "    part['facts'] = {'device': 'GPU ' + os.environ['CUDA_VISIBLE_DEVICES']}\n"
        "json.dump(raw, open(out + '/raw.json', 'w'))\n"
        "open(out + '/winner_' + names + '.py', 'w').close()\n",
        encoding="utf-8",
    )
    raw = make_raw(tmp_path / "made", honest=honest_result(200, 0))
    raw.rename(tmp_path / "script.py.json")
    monkeypatch.setattr(dealing, "SCRIPT", script)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    out = tmp_path / "out"
    assert run.main(["--out", str(out), "--only", "honest", "--problems", "moe_align,moe_combine"]) == 0
    told = (out / "results.md").read_text(encoding="utf-8")
    assert "GPU 4" in told
    assert "GPU 6" in told
    assert (out / "winner_moe_align.py").exists()
    assert "0 of 400" in capsys.readouterr().out


def test_tables_of_two_runs_are_put_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = make_raw(tmp_path / "other", honest=honest_result(200, 1), spread=spread_result(25.0, [0.8, 0.9]))
    out = tmp_path / "out"
    make_raw(out, honest=honest_result(200, 0))
    asked = ["--problems", "topk_gating", "--only", "spread", "honest"]
    code = module("run").main(["--out", str(out), "--keep", str(other), "--render", *asked])
    assert code == 0
    told = (out / "results.md").read_text(encoding="utf-8")
    assert "0 of 200" in told, "this folder's own figures win"
    assert "**missed**" in told
    assert "a GPU" in told
    assert "2026-01-02" in told
    assert len(list(out.iterdir())) <= 8
    said = capsys.readouterr().out
    assert "missed" in said
    assert len(said) < 12_000


def test_a_resumed_run_does_only_what_is_not_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = module("run")
    make_raw(tmp_path, honest=honest_result(200, 0))
    raw = json.loads((tmp_path / "raw.json").read_text(encoding="utf-8"))
    raw["steps"]["spread"] = [{**part({}, "broken"), "error": "x", "result": {}}]
    (tmp_path / "raw.json").write_text(json.dumps(raw), encoding="utf-8")
    done = []

    def step(stage: Any, *arguments: Any) -> dict[str, Any]:
        done.append(stage.name)
        return {"status": "whole", "error": "", "seconds": 1.0, "result": spread_result(25.0, [0.8, 0.8])}

    monkeypatch.setattr(run, "run_step", step)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    asked = ["--problems", "topk_gating", "--only", "honest", "spread"]
    assert run.main(["--out", str(tmp_path), "--resume", *asked]) == 0
    assert done == ["spread"]
    assert json.loads((tmp_path / "raw.json").read_text(encoding="utf-8"))["steps"].keys() == {"honest", "spread"}


CHILD = """
import json, signal, sys, time
step, problems, ends, scratch = sys.argv[1:]
if "{how}" == "hangs":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(scratch + "/" + step + ".json", "w").write(json.dumps({{"complete": "{how}" == "ends", "notes": ["so far"]}}))
print("a word", flush=True)
if "{how}" == "hangs":
    time.sleep(600)
sys.exit(3 if "{how}" == "breaks" else 0)
"""


@pytest.mark.parametrize(("how", "status"), [("ends", "whole"), ("breaks", "broken"), ("hangs", "broken")])
def test_a_step_that_breaks_or_hangs_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, status: str
) -> None:
    run = module("run")
    (tmp_path / "child.py").write_text(CHILD.format(how=how), encoding="utf-8")
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "GRACE_SECONDS", 1.0)
    monkeypatch.setattr(run, "STOP_SECONDS", 0.5)
    with (tmp_path / "log.txt").open("ab") as log:
        step = run.run_step(module("stages").STAGES[0], ("topk_gating",), 1.0, tmp_path, log)
    assert step["status"] == status
    assert step["result"]["notes"] == ["so far"], "what it had found is kept"
    assert how != "breaks" or "exit status 3" in step["error"]
    assert how == "ends" or "a word" in step["error"], "and the end of what it said"


def test_a_job_saves_as_it_goes_and_notes_what_failed(tmp_path: Path) -> None:
    ground = module("ground")
    job = ground.Job(step="columns", problems=("topk_gating",), ends=time.time() + 60, scratch=tmp_path)
    job.result["rows"] = [1]

    def broken() -> None:
        raise ValueError("no\nsuch thing")

    ground.attempt(job, "one shape", broken)
    saved = json.loads((tmp_path / "columns.json").read_text(encoding="utf-8"))
    assert saved == {"rows": [1], "failed": True, "notes": ["one shape: ValueError: no"]}
    assert 0 < job.share(2) - time.time() < 31


def test_honest_variants_differ_and_stay_in_their_ranges() -> None:
    step, ground = module("step_honest"), module("ground")
    for name in ("topk_gating", "moe_combine"):
        found = step.programs(ground.kernel_problem(name))
        assert {"decent", "naive"} < found.keys()
        assert len(set(found.values())) == len(found) >= 5


def test_the_plan_is_printed_and_all_steps_can_be_imported() -> None:
    pytest.importorskip("torch")
    command = [sys.executable, str(KERNELS / "run.py"), "--dry", "--minutes", "9"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    for name in ("columns", "spread", "exported", "honest", "cheats", "search"):
        assert f"step_{name}: imported" in told.stdout


def test_too_many_minutes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        module("run").main(["--minutes", "13"])
    assert "at most 12" in capsys.readouterr().err
