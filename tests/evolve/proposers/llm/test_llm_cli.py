"""Runs with language models as a person meets them: real processes against a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from db.archive import Archive
from db.records import CallState

TRIVIAL = str(Path(__file__).parents[4] / "bench" / "trivial")
KEY = "sk-test-of-the-command-line-012345"
RUN = ("run", TRIVIAL, "--pool", "serial", "--workload", "2", "--seed", "3", "--name", "r", "--without", "simplify")


def constant(prompt: str, rng: Random) -> str:
    program = f"import numpy as np\n\n\ndef answer(size):\n    return np.full(size, {rng.uniform(0.2, 0.8):.9f})\n"
    return f"SUMMARY: a constant\n\n```python\n{program}```\n"


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


def evolve(folder: Path, *words: str, **extra: str) -> tuple[int, str]:
    process = start(folder, *words, **extra)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


@pytest.fixture
def server(serve: Callable[..., Any]) -> Any:
    return serve(answer=constant, key=KEY, latency_seconds=0.05)


def test_a_key_and_an_address_are_enough(tmp_path: Path, server: Any) -> None:
    variables = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
    code, said = evolve(tmp_path, *RUN, "--evaluations", "20", **variables)
    assert code == 0, said
    line = (
        f"candidates come from faulty at {server.base_url} and the built-in operators and tuner (because base_url is "
        "set), without a cap of tokens or cost"
    )
    assert line in said
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        run = archive.run("r")
        assert run.tokens == server.books()["tokens"] > 0
        assert f", {run.tokens:,} tokens" in said.splitlines()[-2], "the last line says what it took"
    assert KEY not in said


def test_without_a_model_the_operators_write_and_a_line_says_so(tmp_path: Path) -> None:
    code, said = evolve(tmp_path, *RUN, "--evaluations", "8")
    assert code == 0, said
    assert "candidates come from the built-in operators (because there is no model, OPENAI_API_KEY or" in said


def test_a_wrong_key_is_one_clear_error(tmp_path: Path, server: Any) -> None:
    wrong = "sk-wrong-key-0123456789abcdef"
    code, said = evolve(tmp_path, *RUN, "--model", "faulty", OPENAI_API_KEY=wrong, OPENAI_BASE_URL=server.base_url)
    assert code == 1
    assert "error: faulty at " in said
    assert "hint: " in said
    assert wrong not in said
    assert "Traceback" not in said
    code, said = evolve(
        tmp_path, "resume", "r", "--evaluations", "12", OPENAI_API_KEY=KEY, OPENAI_BASE_URL=server.base_url
    )
    assert code == 0, said


def test_nobody_at_the_address(tmp_path: Path) -> None:
    code, said = evolve(tmp_path, *RUN, "--base-url", "http://127.0.0.1:9/v1")
    assert code == 2
    assert "hint: " in said
    assert not (tmp_path / "evolve.db").exists() or "Traceback" not in said


def test_a_dry_run_says_what_it_would_cost(tmp_path: Path, server: Any) -> None:
    (tmp_path / "prices.toml").write_text("[faulty]\ninput = 1.0\noutput = 10.0\n")
    code, said = evolve(
        tmp_path,
        *("run", TRIVIAL, "--dry-run", "--model", "faulty", "--prices-file", "prices.toml"),
        OPENAI_BASE_URL=server.base_url,
    )
    assert code == 0, said
    assert "models: $2.00" in said
    assert "faulty: a request reads about " in said
    assert server.books()["requests"] == []


def test_the_doctor_asks_the_server_what_it_offers(tmp_path: Path, server: Any) -> None:
    for key, state, words in (
        (KEY, "works", f"{server.base_url} offers 1 model, none was asked"),
        ("sk-wrong-key-0123456789abcdef", "broken", "Incorrect API key"),
    ):
        _, said = evolve(tmp_path, "doctor", "--format", "json", OPENAI_API_KEY=key, OPENAI_BASE_URL=server.base_url)
        found = next(row for row in json.loads(said) if row["part"] == "models")
        assert found["state"] == state
        assert words in found["detail"]
        assert key not in said
    assert server.books()["requests"] == []


def test_after_kill_9_it_goes_on_and_nothing_is_charged_twice(tmp_path: Path, server: Any) -> None:
    variables = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
    words = ("--model", "faulty", "--evaluations", "60", "--concurrency", "4", "--insights-every", "0")
    words += ("--without", "operators", "--without", "tuner")
    driver = start(tmp_path, *RUN, *words, **variables)
    until = time.monotonic() + 60
    while len(server.books()["requests"]) < 12 and time.monotonic() < until:
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.communicate(timeout=30)
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        before = archive.run("r")
        open_calls = [call for call in archive.calls(before.id) if call.result is None]
    code, said = evolve(tmp_path, "resume", **variables)
    assert code == 0, said
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        done = archive.run("r")
        calls = archive.calls(done.id)
        lost = [call for call in calls if call.result and call.result.state is CallState.LOST]
        assert [call.id for call in lost] == [call.id for call in open_calls]
        tickets = [archive.candidate(done.id, number).ticket for number in range(2, done.candidates)]
    assert len(set(tickets)) == len(tickets)
    assert sum(sum(outcomes.values()) for purpose, outcomes in done.counts.items() if purpose != "final") == 60
    held = sum(call.call.held_tokens for call in lost)
    billed = server.books()["tokens"]
    assert billed <= done.tokens <= billed + held, "what was under way is charged at most as held, the rest exactly"


def test_a_cap_of_cost_outlives_a_resume(tmp_path: Path, server: Any) -> None:
    (tmp_path / "prices.toml").write_text("[faulty]\ninput = 1.0\noutput = 10.0\n")
    variables = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
    words = ("--model", "faulty", "--evaluations", "8", "--cost", "0.75", "--prices-file", "prices.toml")
    code, said = evolve(tmp_path, *RUN, *words, **variables)
    assert code == 0, said
    assert "for at most $0.75" in said
    code, said = evolve(tmp_path, "resume", "--evaluations", "12", **variables)
    assert code == 0, said
    assert "for at most $0.75" in said
    code, said = evolve(tmp_path, "resume", "--cost", "0.0001", **variables)
    assert code == 0, said
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        run = archive.run("r")
    assert (run.config["evaluations"], run.config["cost"]) == (12, 0.0001)
    assert sum(sum(outcomes.values()) for purpose, outcomes in run.counts.items() if purpose != "final") == 12
