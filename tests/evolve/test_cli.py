"""The command line as a person meets it: real processes, real signals, real archives."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from db.archive import Archive

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")
SEEDS = Path(__file__).parents[2] / "seeds" / "eplb"
KERNEL = Path(__file__).parents[2] / "seeds" / "topk_gating" / "decent.py"
RUN = ["run", TRIVIAL, "--pool", "serial", "--workload", "2", "--seed", "3", "--clock", "counting"]


def start(folder: Path, *words: str, **extra: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("EVOLVE_", "OPENAI_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "evolve", *words],
        cwd=folder,
        env={**environment, **extra},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def evolve(folder: Path, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
    process = start(folder, *words, **extra)
    out, err = process.communicate(timeout=240)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run."""
    folder = tmp_path_factory.mktemp("finished")
    done = evolve(folder, *RUN, "--evaluations", "60", "--name", "first")
    assert done.returncode == 0, done.stderr
    return folder


def test_help_teaches_and_lists_every_command(tmp_path: Path) -> None:
    done = evolve(tmp_path, "--help")
    assert done.returncode == 0
    for word in ("run", "resume", "leaderboard", "export", "doctor", "evolve run eplb", "Exit codes"):
        assert word in done.stdout
    for command in ("run", "resume", "leaderboard", "show", "diff", "lineage", "runs", "problems", "score"):
        assert evolve(tmp_path, command, "--help").stdout.startswith(f"Usage: evolve {command}")


def test_a_run_says_what_it_found_and_what_comes_next(finished: Path) -> None:
    done = evolve(finished, "leaderboard")
    assert done.returncode == 0
    assert "★ best" in done.stdout
    assert "run first · problem trivial · workloads trivial-2 · finished" in done.stdout
    assert "0 = zero, 100 = exactly one half" in done.stdout


@pytest.mark.parametrize("fmt", ["json", "csv", "markdown"])
def test_listings_come_in_other_formats(finished: Path, fmt: str) -> None:
    done = evolve(finished, "leaderboard", "--format", fmt, "--top", "3")
    assert done.returncode == 0
    if fmt == "json":
        assert len(json.loads(done.stdout)) == 3
    assert evolve(finished, "runs", "--format", fmt).returncode == 0


def test_show_diff_and_lineage_of_the_best(finished: Path) -> None:
    shown = evolve(finished, "show", "best")
    assert "def answer(size)" in shown.stdout
    assert evolve(finished, "diff", "best", "1").stdout.startswith("---")
    assert "seed" in evolve(finished, "lineage", "best").stdout
    source = evolve(finished, "show", "best", "--source").stdout
    best = json.loads(evolve(finished, "show", "best", "--format", "json").stdout)
    assert best["source"] == source


def test_a_run_as_ndjson_and_its_schema(tmp_path: Path) -> None:
    done = evolve(tmp_path, *RUN, "--evaluations", "6", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["number"] for event in events][:2] == [0, 1]
    evaluation = events[0]["evaluation"]
    assert {"problem", "split", "outcome", "reason", "score", "stderr", "n", "low", "high"} <= set(evaluation)
    assert evaluation["metrics"]["call_ms"]["unit"] == "ms"


def test_killed_at_any_moment_and_resumed_it_ends_as_the_undisturbed_run(tmp_path: Path, finished: Path) -> None:
    """kill -9 four times; same secret, seed and clock; the same candidates, scores and winner."""
    secret = Archive.open(str(finished / "evolve.db"))
    with secret as archive:
        (tmp_path / "secret").write_text(archive.secret(1).hex())
    words = [*RUN, "--evaluations", "60", "--secret-file", "secret"]
    process = start(tmp_path, *words)
    for delay in (0.4, 0.2, 0.3, 0.5):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not _recorded(tmp_path):
            time.sleep(0.02)
        time.sleep(delay)
        process.kill()
        process.communicate()
        process = start(tmp_path, "resume")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, out + err
    with (
        Archive.open(str(tmp_path / "evolve.db")) as ours,
        Archive.open(str(finished / "evolve.db")) as theirs,
    ):
        mine, other = ours.run(None), theirs.run(None)
        assert mine.best == other.best
        for left, right in zip(ours.history(mine.id), theirs.history(other.id), strict=True):
            assert left[0].source == right[0].source
            assert left[1].planned == right[1].planned
            assert left[1].evaluation is not None
            assert right[1].evaluation is not None
            assert left[1].evaluation.score == right[1].evaluation.score
        assert ours.unfinished(mine.id) == []


def _recorded(folder: Path) -> bool:
    if not (folder / "evolve.db").exists():
        return False
    with sqlite3.connect(f"file:{folder / 'evolve.db'}?mode=ro", uri=True) as connection:
        try:
            rows = connection.execute("SELECT count(*) FROM evaluations WHERE sequence IS NOT NULL")
            return bool(rows.fetchone()[0])
        except sqlite3.OperationalError:
            return False


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_politely_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = start(tmp_path, *RUN, "--time", "10m", "--name", "long")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not _recorded(tmp_path):
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert "evolve resume long" in err
    assert "Traceback" not in err
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        assert archive.run("long").status.value == "stopped"
        assert archive.unfinished(1) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["run", "elpb"], 2, ["unknown problem 'elpb'", "did you mean 'eplb'"]),
        (["run", "./nowhere"], 2, ["no problem at nowhere"]),
        (["rnu", "eplb"], 2, ["unknown command 'rnu'", "did you mean 'run'"]),
        (["run", "eplb", "--sed", "1"], 2, ["unknown option --sed", "--seed"]),
        (["run"], 2, ["PROBLEM"]),
        (["run", "eplb", "--evaluations", "none"], 2, ["flag --evaluations", "whole number"]),
        (["run", "eplb", "--time", "soon"], 2, ["not a duration"]),
        (["run", "eplb", "--selector", "adaptve"], 2, ["did you mean 'adaptive'"]),
        (["run", "eplb", "--workload", "no.npz"], 2, ["no workload 'no.npz'"]),
        (["run", "eplb", "--secret-file", "no"], 2, ["cannot read a secret"]),
        (["run", "eplb", "--db", "/proc/nowhere/e.db"], 1, ["/proc/nowhere"]),
        (["leaderboard"], 1, ["evolve.db"]),
        (["leaderboard", "--top", "0"], 2, ["--top"]),
        (["score", "eplb", "nowhere.py"], 2, ["cannot read nowhere.py"]),
        (["show", "best", "--db", "nowhere.db"], 1, ["nowhere.db"]),
    ],
)
def test_bad_input_gets_one_clear_error_with_a_hint(
    tmp_path: Path, words: list[str], code: int, said: list[str]
) -> None:
    done = evolve(tmp_path, *words)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.splitlines()[-2].startswith("error: ") or "error: " in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    for words_said in said:
        assert words_said in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["leaderboard", "frist"], 1, "did you mean first"),
        (["show", "9999"], 1, "no candidate 9999"),
        (["show", "nobody"], 2, "'nobody' is no candidate"),
        (["run", TRIVIAL, "--name", "first"], 1, "the name is taken"),
        (["export", "best"], 2, "with usage.md, test.py and benchmark.py"),
    ],
)
def test_bad_names_in_a_good_archive(finished: Path, words: list[str], code: int, said: str) -> None:
    done = evolve(finished, *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "hint: " in done.stderr


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "evolve.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE holiday (photo BLOB)")
    connection.close()
    before = path.read_bytes()
    done = evolve(tmp_path, *RUN, "--evaluations", "3")
    assert done.returncode == 1
    assert "evolve.db" in done.stderr
    assert path.read_bytes() == before


def test_an_unreadable_database(tmp_path: Path) -> None:
    (tmp_path / "evolve.db").write_text("this is no database, only text that is long enough to look like one" * 9)
    done = evolve(tmp_path, "leaderboard")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_seed_that_fails_ends_the_run_and_names_it(tmp_path: Path) -> None:
    text = (Path(TRIVIAL) / "problem.py").read_text()
    broken = text.replace("source=SOURCE.format(value=0.2)", "source=SOURCE.format(value='1 / 0')")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "problem.py").write_text(broken)
    done = evolve(tmp_path, "run", "./mine", "--pool", "serial", "--evaluations", "5")
    assert done.returncode == 1
    assert "seed fifth fails on train workloads (crashed: " in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "hint: " in done.stderr


def test_a_finished_run_is_not_measured_again_by_resume(finished: Path) -> None:
    with Archive.open(str(finished / "evolve.db")) as archive:
        before = len(list(archive.history(archive.run("first").id)))
    done = evolve(finished, "resume", "first")
    assert done.returncode == 0
    assert "is finished; to search on give a larger total budget" in done.stderr
    with Archive.open(str(finished / "evolve.db")) as archive:
        assert len(list(archive.history(archive.run("first").id))) == before


def test_a_second_driver_is_turned_away_and_the_first_goes_on(tmp_path: Path) -> None:
    process = start(tmp_path, *RUN, "--time", "10m", "--name", "busy")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not _recorded(tmp_path):
        time.sleep(0.05)
    second = evolve(tmp_path, "resume", "busy")
    assert second.returncode == 1
    assert "is being driven by another process" in second.stderr
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        assert archive.run("busy").status.value == "stopped"
    assert (tmp_path / "evolve.db").stat().st_mode & 0o077 == 0


def test_a_final_on_a_stopped_run_leaves_it_to_be_resumed(tmp_path: Path) -> None:
    process = start(tmp_path, *RUN, "--time", "10m", "--name", "half")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not _recorded(tmp_path):
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert evolve(tmp_path, "final", "half").returncode == 0
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        before = archive.run("half")
    assert before.status.value == "stopped"
    done = evolve(tmp_path, "resume", "half", "--evaluations", str(sum(before.counts["search"].values()) + 20))
    assert done.returncode == 0, done.stderr
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        assert archive.run("half").candidates > before.candidates


def test_a_problem_file_that_does_not_load_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def make_problem(:\n")
    done = evolve(tmp_path, "run", "./mine.py")
    assert done.returncode == 2
    assert "mine.py cannot be loaded: SyntaxError" in done.stderr


def test_dry_run_evaluates_nothing(tmp_path: Path) -> None:
    done = evolve(tmp_path, "run", "eplb", "--dry-run", "--seed", "5")
    assert done.returncode == 0, done.stderr
    for words in (
        "seed = 5  (flag --seed)",
        "pool = ray  (default)",
        "deepseek_hierarchical",
        "user namespace",
    ):
        assert words in done.stdout
    assert not (tmp_path / "evolve.db").exists()


def test_settings_come_from_environment_and_file(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("seed = 8\n")
    done = evolve(tmp_path, "run", "eplb", "--dry-run", "--config", "run.toml", EVOLVE_WORKERS="7")
    assert "seed = 8  (run.toml, key seed)" in done.stdout
    assert "workers = 7  (environment EVOLVE_WORKERS)" in done.stdout


def test_score_judges_one_program_and_its_exit_code_tells(tmp_path: Path) -> None:
    good = tmp_path / "good.py"
    good.write_text("import numpy as np\n\n\ndef answer(size):\n    return np.full(size, 0.4)\n")
    done = evolve(tmp_path, "score", TRIVIAL, "good.py", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["score"] == pytest.approx(80.0)
    bad = tmp_path / "bad.py"
    bad.write_text("def answer(size):\n    raise ValueError('no \\x1b[31m idea')\n")
    done = evolve(tmp_path, "score", TRIVIAL, "bad.py")
    assert done.returncode == 1
    assert "ValueError" in done.stdout
    assert "\x1b[31m" not in done.stdout


def test_problems_are_listed_with_their_scale(tmp_path: Path) -> None:
    listed = json.loads(evolve(tmp_path, "problems", "--format", "json").stdout)
    named = {row["name"]: row for row in listed}
    policies = {
        *("adaptive_topk", "bias_control", "block_coreset", "eplb", "eplb_speed", "expert_cache", "placement"),
        *("request_router", "token_dispatch"),
    }
    kernels = {
        *("hadamard_quant", "moe_align", "moe_combine", "moe_decode", "moe_prefill", "product_key_router"),
        *("topk_gating", "topk_gating_grouped"),
    }
    assert set(named) == policies | kernels
    assert named["eplb"]["baseline"] == "deepseek_hierarchical"
    assert "ema" in named["eplb"]["seeds"]


def test_final_measures_on_fresh_hidden_workloads_and_counts_them(finished: Path) -> None:
    done = evolve(finished, "final", "first")
    assert done.returncode == 0, done.stderr
    assert "lead over" in done.stderr
    with Archive.open(str(finished / "evolve.db")) as archive:
        run = archive.run("first")
        assert run.best is not None
        blocks = {r.planned.block for r in archive.evaluations(run.id, run.best) if r.planned.purpose.value == "final"}
    assert blocks >= {0, 1}


def test_doctor_tests_the_parts(tmp_path: Path) -> None:
    done = evolve(tmp_path, "doctor", "--format", "json")
    assert done.returncode == 0, done.stdout
    found = {row["part"]: row["state"] for row in json.loads(done.stdout)}
    assert found["sandbox"] == found["ray"] == found["database"] == "works"
    assert {"kernels", "GPU"} <= set(found)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("run", "topk_gating"), 2, "scored by time on a GPU"),
        (("run", "moe_combine", "--device", "cpu"), 2, "--device cpu does without one"),
        (("run", "moe_combine", "--device", "cuda"), 2, "hint: without a GPU, evolve score moe_combine"),
        (("score", "topk_gating", str(KERNEL), "--device", "cuda"), 2, "--device cpu checks"),
        (("audit", "topk_gating", "--device", "cuda"), 2, "--device cpu checks"),
    ],
)
def test_without_a_gpu_kernels_are_refused_in_one_clear_error(
    tmp_path: Path, words: tuple[str, ...], status: int, told: str
) -> None:
    done = evolve(tmp_path, *words, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == status, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_no_ray_is_one_clear_error(tmp_path: Path) -> None:
    """Ray cannot start where its session folder cannot be made."""
    done = evolve(tmp_path, "run", TRIVIAL, "--evaluations", "3", RAY_TMPDIR="/proc/nowhere")
    assert done.returncode == 1
    assert "Ray does not start" in done.stderr
    assert "hint: try --pool serial" in done.stderr
    assert "Traceback" not in done.stderr
