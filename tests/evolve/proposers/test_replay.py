from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.archive import Archive
from db.records import Planned, Purpose, RunRecord
from evaluators.model import Evaluation
from evolve.config import Config, ConfigError, resolve
from evolve.runner import Flight
from evolve.session import new_run, open_session

TRIVIAL = str(Path(__file__).parents[3] / "bench" / "trivial")


class Quiet:
    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None: ...

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None: ...

    def say(self, text: str) -> None:
        self.said = text


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(str(tmp_path / "a.db"), create=True) as opened:
        yield opened


def settings(**flags: str) -> Config:
    return resolve({"pool": "serial", "clock": "counting", **flags}, {}, None)


def search(archive: Archive, run: RunRecord) -> Quiet:
    quiet = Quiet()
    with open_session(archive, run, quiet) as session:
        session.search(lambda: False)
    return quiet


def history(archive: Archive, run: RunRecord) -> list[tuple[Planned, float | None, tuple[int, ...], str, str]]:
    return [
        (record.planned, record.evaluation.score, candidate.parents, candidate.proposer, candidate.note)
        for candidate, record in archive.history(run.id)
        if record.evaluation
    ]


@pytest.fixture
def recorded(archive: Archive) -> RunRecord:
    run = new_run(archive, TRIVIAL, settings(evaluations="25", seed="5", workload="2", name="first", block_size="12"))
    search(archive, run)
    return run


def test_a_replay_is_the_recorded_run_verdict_by_verdict(archive: Archive, recorded: RunRecord) -> None:
    again = new_run(archive, TRIVIAL, settings(replay="first"))
    assert again.config["proposer"] == "replay"
    quiet = search(archive, again)
    told, before = history(archive, again), history(archive, recorded)
    assert told[: len(before)] == before
    assert any(planned.purpose is Purpose.CONFIRM for planned, *_ in before)
    assert archive.run_by_id(again.id).candidates == archive.run_by_id(recorded.id).candidates
    assert "all programs of run first were replayed" in quiet.said


def test_a_replay_that_was_stopped_goes_on_where_it_was(archive: Archive, recorded: RunRecord) -> None:
    again = new_run(archive, TRIVIAL, settings(replay="first"))
    until = time.monotonic() + 60
    with open_session(archive, again, Quiet()) as session:
        session.search(lambda: session.runner.spent >= 11 or time.monotonic() > until)
    assert archive.run_by_id(again.id).candidates < archive.run_by_id(recorded.id).candidates
    search(archive, again)
    ours = {planned: rest for planned, *rest in history(archive, again)}
    for planned, *rest in history(archive, recorded):
        assert ours[planned] == rest


def test_other_workloads_when_a_secret_is_given(archive: Archive, recorded: RunRecord, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("ab" * 32)
    again = new_run(archive, TRIVIAL, settings(replay="first", secret_file=str(secret)))
    assert archive.secret(again.id) == bytes.fromhex("ab" * 32)
    plain = new_run(archive, TRIVIAL, settings(replay="first", name="plain"))
    assert archive.secret(plain.id) == archive.secret(recorded.id)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"proposer": "replay"}, "needs a recorded run"),
        ({"proposer": "operators", "replay": "first"}, "goes with the proposer replay"),
    ],
)
def test_settings_that_do_not_go_together(
    archive: Archive, recorded: RunRecord, flags: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        new_run(archive, TRIVIAL, settings(**flags))
    assert "hint:" in str(caught.value)


def test_a_run_of_another_problem_is_refused(archive: Archive, recorded: RunRecord) -> None:
    with pytest.raises(ConfigError, match="is of problem trivial, not eplb"):
        new_run(archive, "eplb", settings(replay="first"))
