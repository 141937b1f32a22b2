"""``evolve ask``, ``tell`` and ``serve`` as people and agents meet them: real processes, real signals, real HTTP."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from db.archive import Archive
from db.records import OrderState, RunStatus
from evolve.cli.app import main
from evolve.external.client import Address, call, find_server

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")
SETTINGS = {"EVOLVE_WORKLOAD": "2", "EVOLVE_SEED": "3", "EVOLVE_CLOCK": "counting"}


def program(value: float) -> str:
    return f"import numpy as np\n\n\ndef answer(size):\n    return np.full(size, {value!r})\n"


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("EVOLVE_", "OPENAI_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "evolve", *words],
        cwd=folder,
        env={**environment, **SETTINGS},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def evolve(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    process = start(folder, *words)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Here = Callable[..., Ended]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Run a command in this process, which is quicker."""
    for name in [name for name in os.environ if name.startswith(("EVOLVE_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["evolve", *words])
        with pytest.raises(SystemExit) as end:
            main()
        assert isinstance(end.value.code, int)
        said = capsys.readouterr()
        return Ended(end.value.code, said.out, said.err)

    return run


Serve = Callable[..., tuple[subprocess.Popen[str], Address]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start ``evolve serve`` and wait until it can be found."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> tuple[subprocess.Popen[str], Address]:
        process = start(tmp_path, "serve", *words)
        started.append(process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            for file in tmp_path.glob("evolve.db.serve-*.json"):
                address = find_server(tmp_path / "evolve.db", int(file.stem.rpartition("-")[2]))
                if address is not None and address.pid == process.pid:
                    return process, address
            time.sleep(0.05)
        process.kill()
        raise AssertionError(process.communicate())

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def order_of(address: Address, asker: str) -> dict[str, Any]:
    answer = call(address, "POST", "/ask", {"asker": asker}, timeout_seconds=90)
    assert answer.status == 200, answer
    return dict(answer.body)


def test_a_person_alone_asks_and_tells(tmp_path: Path, here: Here) -> None:
    asked = evolve(tmp_path, "ask", TRIVIAL, "--asker", "ann")
    assert asked.returncode == 0, asked.stderr
    assert "Define answer(size)" in asked.stdout
    assert "order 1 of run trivial-" in asked.stderr
    assert "evolve tell 1 FILE" in asked.stderr
    (tmp_path / "p.py").write_text(program(0.45))
    told = here("tell", "1", "p.py", "--summary", "nearer to a half")
    assert told.code == 0, told.err
    assert "90.0" in told.out
    assert "candidate 2 of run" in told.out
    assert "is called best now" in told.out  # what the verdict called for was measured too
    second = json.loads(here("ask", "--json").out)
    assert second["ticket"] == 2
    assert "nearer to a half" in second["prompt"]
    (tmp_path / "p.py").write_text("def answer(size):\n    return 1 / 0\n")
    failed = here("tell", "-", "p.py", "--json")
    document = json.loads(failed.out)
    assert (failed.code, document["evaluation"]["outcome"], document["ticket"]) == (1, "crashed", None)
    (tmp_path / "p.py").write_text("def answer(size:\n")
    code, _, err = here("tell", "2", "p.py")
    assert code == 1
    assert "does not parse" in err
    assert "order 2 stays open" in err
    (tmp_path / "p.py").write_text(program(0.46))
    code, _, err = here("tell", "1", "p.py")
    assert (code, "order 1 is settled already: candidate 2 came of it\nhint:" in err) == (1, True)
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        run = archive.run(None)
        assert (run.best, run.status, run.config["proposer"]) == (2, RunStatus.STOPPED, "external")
        candidate = archive.candidate(run.id, 2)
        assert (candidate.note, candidate.operator, candidate.parents) == ("nearer to a half", "ann", (0,))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("ask",), "no such file"),
        (("tell", "1", "p.py"), "no such file"),
        (("ask", TRIVIAL, "--asker", "a b"), "'a b' is no asker's name"),
        (("ask", TRIVIAL, "--expires", "soon"), "--expires"),
        (("serve", TRIVIAL, "--run", "x"), "begins a new run"),
        (("serve", TRIVIAL, "--host", "no.such.host.invalid"), "cannot listen on"),
        (("serve", TRIVIAL, "--token-file", "short"), "holds no token"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, here: Here, words: tuple[str, ...], complaint: str) -> None:
    (tmp_path / "short").write_text("abc\n")
    (tmp_path / "short").chmod(0o600)
    (tmp_path / "p.py").write_text(program(0.4))
    code, _, err = here(*words)
    assert code in (1, 2)
    assert complaint in err
    assert "hint:" in err
    assert "unexpected" not in err


def test_with_a_server_the_commands_go_through_it(tmp_path: Path, serve: Serve, here: Here) -> None:
    process, address = serve(TRIVIAL, "--pool", "serial", "--name", "shared")
    file = next(tmp_path.glob("evolve.db.serve-*.json"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    asked = here("ask", "--asker", "ann", "--json")
    assert asked.code == 0, asked.err
    order = json.loads(asked.out)
    assert (order["ticket"], order["asker"]) == (1, "ann")
    (tmp_path / "p.py").write_text(program(0.45))
    told = here("tell", "1", "p.py", "--summary", "nearer")
    assert told.code == 0, told.err
    assert "candidate 2 of run shared is" in told.out
    assert "90.0" in told.out
    code, _, err = here("tell", "-", "p.py")
    assert (code, "candidate 2 is the same program" in err) == (1, True)
    (tmp_path / "p.py").write_text(program(0.44))
    other = json.loads(here("ask", "--asker", "ann", "--json").out)["ticket"]
    code, _, err = here("tell", str(other), "p.py", "--asker", "bob")
    assert (code, f"order {other} is that of ann, not bob\nhint: give the name" in err) == (1, True)
    # A file that others could have written is not believed.
    file.chmod(0o666)
    code, _, err = here("ask")
    assert (code, "warning: " in err, "is ignored" in err, "no server of it answers" in err) == (1, True, True, True)
    file.chmod(0o600)
    # Nobody else may drive the run meanwhile; without the announcement no server is found.
    hidden = file.rename(tmp_path / "elsewhere.json")
    code, _, err = here("ask")
    assert code == 1
    assert "run shared is driven by another process, and no server of it answers\nhint:" in err
    hidden.rename(file)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.count(address.token) == 1
    assert not file.exists()
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        assert archive.run(None).status is RunStatus.STOPPED


def test_open_orders_survive_a_kill_of_the_server(tmp_path: Path, serve: Serve) -> None:
    process, address = serve(TRIVIAL, "--pool", "serial", "--name", "hardy", "--token-file", "token")
    orders = [order_of(address, f"agent-{index}") for index in range(3)]
    call(address, "POST", "/evaluate", {"ticket": 1, "asker": "agent-0", "program": program(0.4)}, timeout_seconds=90)
    # The second program is on its way when the lights go out.
    second_one = {"ticket": 2, "asker": "agent-1", "program": program(0.41)}
    call(address, "POST", "/evaluate", {**second_one, "wait_seconds": 0}, timeout_seconds=90)
    process.kill()
    process.communicate()
    assert find_server(tmp_path / "evolve.db", 1) is None
    _, again = serve("--pool", "serial", "--token-file", "token", "--evaluations", "400")
    assert again.token == address.token
    second = call(again, "POST", "/evaluate", second_one, timeout_seconds=90)
    while second.status == 202:
        second = call(again, "POST", "/evaluate", second_one, timeout_seconds=90)
    third = call(
        again, "POST", "/evaluate", {"ticket": 3, "asker": "agent-2", "program": program(0.42)}, timeout_seconds=90
    )
    assert (second.status, third.status) == (200, 200)
    assert second.body["evaluation"]["score"] == pytest.approx(82)
    with Archive.open(str(tmp_path / "evolve.db")) as archive:
        run = archive.run("hardy")
        told = [archive.order(run.id, order["ticket"]) for order in orders]
        assert {order.state for order in told} == {OrderState.TOLD}
        numbers = [order.number for order in told]
        assert numbers == [2, 3, 4]
        assert [archive.candidate(run.id, number).ticket for number in numbers if number] == [1, 2, 3]


def test_a_spent_budget_ends_in_a_final_and_can_be_raised(tmp_path: Path, serve: Serve, here: Here) -> None:
    process, address = serve(TRIVIAL, "--pool", "serial", "--name", "short", "--evaluations", "6")
    for step in range(3):
        request = {"program": program(0.4 + step / 100)}
        answer = call(address, "POST", "/evaluate", request, timeout_seconds=90)
        if answer.status != 200:
            assert "is spent" in answer.body["error"]
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == ""
    assert "lead over" in err  # the finalists' table
    assert list(tmp_path.glob("evolve.db.serve-*.json")) == []
    code, _, err = here("serve", "--run", "short")
    assert (code, "--evaluations 1000" in err) == (2, True)
    code, _, err = here("ask", "--run", "short")
    assert (code, "the budget of 6 evaluations is spent" in err) == (1, True)
    _, again = serve("--run", "short", "--pool", "serial", "--evaluations", "12")
    assert order_of(again, "ann")["budget"]["evaluations"] == 12
