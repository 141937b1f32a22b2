from __future__ import annotations

from typing import Any

from evaluators.model import Outcome
from reports.lineage import lineage, lineage_json, lineage_view
from reports.text import plain_text


def test_the_line_ends_at_a_seed_and_names_other_parents(small: Any) -> None:
    assert plain_text(lineage_view(lineage(small.archive, small.run, 4))) == (
        "scores on train (points ± 95 %)\n"
        "● #0004  61.0 ± 2.8  crossover:forecast\n"
        "│   hedge replicas\n"
        "├─○ also from #0000  -10.0 ± 2.8  seed contiguous\n"
        "● #0002  30.0 ± 2.8  mutate:constant\n"
        "│   forecast the next window\n"
        "● #0001  0.0 ± 2.8  seed deepseek\n"
    )


def test_a_failure_and_one_in_flight_show_their_state(small: Any) -> None:
    number = small.add(None, parents=(3,), note="[red]try\x1b[2J again")
    text = plain_text(lineage_view(lineage(small.archive, small.run, number)))
    assert f"● #{number:04d}  in flight" in text
    assert "│   [red]try again\n" in text
    assert "● #0003  wrong  mutate:constant" in text


def test_a_long_line_keeps_its_indentation(new_run: Any) -> None:
    built = new_run()
    built.seed("deepseek", [0.0, 1.0])
    for number in range(60):
        built.add([float(number), number + 1.0], parents=(number,), note="y" * 300)
    text = plain_text(lineage_view(lineage(built.archive, built.run, 60)), 60)
    assert all(len(line) <= 60 for line in text.splitlines())
    assert text.count("●") == 61
    assert len(lineage(built.archive, built.run, 60, limit=5)) == 5


def test_json(small: Any) -> None:
    steps = lineage_json(lineage(small.archive, small.run, 4))
    assert [step["number"] for step in steps] == [4, 2, 1]
    assert steps[0]["outcome"] is Outcome.OK
