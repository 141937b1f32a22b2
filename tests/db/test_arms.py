"""Arms: stored one by one or all at once, read back as they were."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from db.archive import Archive
from db.records import ArchiveError, ArmRecord, NewRun, RunRecord

GRAFT = ArmRecord(
    arm=("operators", "graft", "", "adaptive"),
    pulls=3,
    in_flight=1,
    candidates=2,
    ok=2,
    improved=1,
    weight=2.75,
    reward=0.1,
    cost=0.003,
    seconds=1.5,
    tokens=0,
    usd=0.0,
    index=math.inf,
)
REWRITE = replace(GRAFT, arm=("llm", "rewrite", "small-model", "adaptive"), pulls=9, tokens=12_345, usd=0.1, index=-0.0)


def test_arms_read_back_the_most_pulled_first(archive: Archive, run: RunRecord) -> None:
    assert archive.arms(run.id) == ()
    archive.save_arms(run.id, [GRAFT, REWRITE])
    assert archive.arms(run.id) == (REWRITE, GRAFT)
    assert math.copysign(1.0, archive.arms(run.id)[0].index) == -1.0
    assert [arm.name for arm in archive.arms(run.id)] == [
        "llm rewrite small-model adaptive",
        "operators graft adaptive",
    ]


def test_what_is_stored_again_takes_the_place_of_what_was_known(archive: Archive, run: RunRecord) -> None:
    archive.save_arms(run.id, [GRAFT, REWRITE])
    later = replace(GRAFT, pulls=4, in_flight=0, weight=3.5, index=0.25)
    other = replace(GRAFT, arm=("operators", "graft", "", "beam"), pulls=4)
    archive.save_arms(run.id, [later, other])
    assert archive.arms(run.id) == (REWRITE, later, other)
    archive.save_arms(run.id, [])
    assert archive.arms(run.id) == (REWRITE, later, other)


def test_arms_outlive_the_process_and_runs_keep_apart(
    url: str, archive: Archive, run: RunRecord, new_run: Callable[..., NewRun]
) -> None:
    other = archive.create_run(new_run("second"))
    archive.save_arms(run.id, [GRAFT])
    archive.save_arms(other.id, [replace(GRAFT, pulls=99)])
    archive.close()
    with Archive.open(url) as again:
        assert again.arms(run.id) == (GRAFT,)
        assert [arm.pulls for arm in again.arms(other.id)] == [99]


def test_a_name_that_no_database_stores_is_escaped_and_still_found(archive: Archive, run: RunRecord) -> None:
    odd = replace(GRAFT, arm=("llm", "x\0", "\ud800", ""))
    archive.save_arms(run.id, [odd])
    archive.save_arms(run.id, [replace(odd, pulls=7)])
    (read,) = archive.arms(run.id)
    assert (read.arm, read.pulls) == (("llm", "x\\x00", "\\ud800", ""), 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pulls": -1}, "arm operators graft adaptive: pulls is -1; a bandit counts finite amounts from 0 on"),
        ({"reward": math.nan}, "reward is nan"),
        ({"cost": math.inf}, "cost is inf"),
        ({"index": math.nan}, "index is nan"),
        ({"usd": -0.5}, "a cost of -0.5 US dollars"),
    ],
)
def test_what_is_no_figure_is_refused_and_leaves_nothing(
    archive: Archive, run: RunRecord, changes: dict[str, float], message: str
) -> None:
    with pytest.raises(ArchiveError, match=message):
        archive.save_arms(run.id, [REWRITE, replace(GRAFT, **changes)])  # type: ignore[arg-type]
    assert archive.arms(run.id) == ()


def test_an_arm_is_stored_once_and_its_run_must_be_known(archive: Archive, run: RunRecord) -> None:
    with pytest.raises(ArchiveError, match="2 arms to store, of which only 1 differ"):
        archive.save_arms(run.id, [GRAFT, replace(GRAFT, pulls=8)])
    for action in (lambda: archive.save_arms(99, [GRAFT]), lambda: archive.arms(99)):
        with pytest.raises(ArchiveError, match="no run with id 99"):
            action()
