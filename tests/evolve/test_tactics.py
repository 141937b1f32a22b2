from __future__ import annotations

from evolve.config import complete, left_out
from evolve.selectors import SELECTORS
from evolve.settings import PARTS, SELECTOR_NAMES
from evolve.tactics import make_parts, make_tuner


def test_the_selectors_that_settings_name_are_those_that_there_are() -> None:
    assert set(SELECTOR_NAMES) == set(SELECTORS)


def test_every_part_can_be_left_out_alone() -> None:
    whole = make_parts(complete({}))
    assert None not in (whole.novelty, whole.racing, whole.repeats)
    assert make_tuner(complete({}), "plan") is not None
    for part in PARTS:
        settings = complete({"without": part})
        assert left_out(settings) == {part}
        parts = make_parts(settings)
        assert (parts.novelty is None, parts.racing is None, parts.repeats is None) == (
            part == "novelty",
            part == "racing",
            part == "repeats",
        )
        assert (make_tuner(settings, "plan") is None) == (part == "tuner")
