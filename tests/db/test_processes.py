"""Several processes on one archive, and processes that die."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from db.archive import Archive
from db.records import NewRun

# Takes up what is unfinished, then registers and records for ever; says what was recorded, once it returned.
WRITER = """
import sys
from db.archive import Archive
from db.records import NewCandidate, Planned, Purpose
from evaluators.model import Evaluation, Outcome, Split

def verdict(number):
    return Evaluation(
        problem="p", split=Split.TRAIN, block=0, digest="w", outcome=Outcome.WRONG, reason=f"no {number}"
    )

def record(key, number):
    sequence = archive.record(key, verdict(number))
    sys.stdout.write(f"{sequence} {number}\\n")
    sys.stdout.flush()

archive = Archive.open(sys.argv[1])
run = archive.run(None)
for waiting in archive.unfinished(run.id):
    record(waiting.id, waiting.planned.number)
for number in range(run.candidates, int(sys.argv[2])):
    planned = Planned(number=number, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0)
    new = NewCandidate(
        number=number, source=f"x = {number}" * 50, digest=str(number), proposer="p", operator="o",
        parents=(number - 1,) if number else (),
    )
    record(archive.register(run.id, new, planned), number)
"""

CREATOR = """
import sys
from db.archive import Archive
from db.records import NewRun
sys.stdin.readline()
with Archive.open(sys.argv[1], create=True) as archive:
    for name in range(5):
        new = NewRun(name=f"{sys.argv[2]}-{name}", problem="p", digest="d", config={}, secret=b"s")
        archive.create_run(new)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "archive.db"
    with Archive.open(str(path), create=True) as archive:
        archive.create_run(NewRun(name="r", problem="p", digest="d", config={}, secret=b"s"))
    return path


def _start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _pairs(lines: list[str]) -> list[tuple[int, int]]:
    """Sequence and number of every line that was written to its end."""
    pairs = [line.split() for line in lines if line.endswith("\n")]
    return [(int(sequence), int(number)) for sequence, number in pairs]


def test_a_reader_sees_whole_states_while_another_process_writes(path: Path) -> None:
    with Archive.open(str(path)) as archive, _start(WRITER, path, 60) as writer:
        run = archive.run(None)
        counts = []
        while writer.poll() is None:
            rows = list(archive.history(run.id))
            assert [record.sequence for _, record in rows] == list(range(len(rows)))
            assert len(archive.unfinished(run.id)) <= 1
            counts.append(len(rows))
        assert writer.returncode == 0
        assert counts == sorted(counts)
        assert archive.run(None).candidates == len(list(archive.history(run.id))) == 60


def test_processes_that_create_at_once_share_one_archive(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with ExitStack() as stack:
        creators = [stack.enter_context(_start(CREATOR, path, name)) for name in range(3)]
        for creator in creators:
            assert creator.stdin is not None
            creator.stdin.write("go\n")
            creator.stdin.close()
    assert [creator.returncode for creator in creators] == [0, 0, 0]
    with Archive.open(str(path)) as archive:
        assert len({run.name for run in archive.runs()}) == 15


def test_a_killed_writer_loses_and_doubles_nothing(path: Path) -> None:
    chance = random.Random(7)
    told: list[tuple[int, int]] = []
    for _ in range(5):
        with _start(WRITER, path, 10**9) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(chance.uniform(0.0, 0.05))
            writer.kill()
            told += _pairs([first, *writer.stdout])
        with Archive.open(str(path)) as archive:
            run = archive.run(None)
            history = list(archive.history(run.id))
            recorded = [(record.sequence, candidate.number) for candidate, record in history]
            assert set(told) <= set(recorded)
            assert len(recorded) - len(told) <= 5  # stored, but killed before saying so: one in each round
            assert [sequence for sequence, _ in recorded] == list(range(len(recorded)))
            numbers = [number for _, number in recorded]
            waiting = [record.planned.number for record in archive.unfinished(run.id)]
            assert len(waiting) <= 1
            assert sorted(numbers + waiting) == list(range(run.candidates))
            assert sum(sum(by.values()) for by in run.counts.values()) == len(recorded)
            for candidate, record in history:
                assert candidate.parents == ((candidate.number - 1,) if candidate.number else ())
                assert record.evaluation is not None
                assert record.evaluation.reason == f"no {candidate.number}"
