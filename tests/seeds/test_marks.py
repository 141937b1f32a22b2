"""Constants that seeds mark for the tuner are read by it, in every seed of every problem."""

from __future__ import annotations

from pathlib import Path

import pytest

import seeds
from evolve.proposers.tuner.marks import faults, read_marks

PROGRAMS = sorted(path for path in seeds.ROOT.glob("*/*.py") if "export" not in path.parts)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_mark_is_read(path: Path) -> None:
    text = path.read_text()
    assert faults(text) == []
    assert len(read_marks(text)) == text.count("tune:")


def test_there_are_marks() -> None:
    assert sum(path.read_text().count("tune:") for path in PROGRAMS) > 40
