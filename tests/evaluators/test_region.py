from __future__ import annotations

import pytest

from evaluators.region import RegionError, change_outside, frozen_parts, has_regions

TEMPLATE = '''"""Task."""
import numpy as np


# EVOLVE-BLOCK-START
def plan(x):
    return x
# EVOLVE-BLOCK-END


def check(x):
    return plan(x) == x
'''


def test_what_lies_inside_may_change() -> None:
    assert change_outside(TEMPLATE, TEMPLATE) is None
    changed = TEMPLATE.replace("    return x\n", "    y = 2 * x\n    return y\n")
    assert change_outside(changed, TEMPLATE) is None
    assert change_outside(changed.replace("import numpy as np", "import numpy as np  ") + "\n\n", TEMPLATE) is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("return plan(x) == x", "return True", "part 2 of the text outside the marked regions: 'return True'"),
        ("import numpy as np", "import numpy as np\nimport os", "part 1"),
        ("import numpy as np\n", "", "lines are missing"),
        ("# EVOLVE-BLOCK-END\n", "", "line 5: EVOLVE-BLOCK-START is never closed"),
        ("# EVOLVE-BLOCK-START\n", "", "line 7: EVOLVE-BLOCK-END closes no open region"),
        ("def plan", "# EVOLVE-BLOCK-START\ndef plan", "line 6: EVOLVE-BLOCK-START opens a region while"),
        ("# EVOLVE-BLOCK-START\ndef", "def", "closes no open region"),
        (
            "def check(x):",
            "# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\ndef check(x):",
            "marks 2 regions that may change, where there must be 1",
        ),
    ],
)
def test_what_lies_outside_may_not(old: str, new: str, words: str) -> None:
    fault = change_outside(TEMPLATE.replace(old, new), TEMPLATE)
    assert fault is not None
    assert words in fault


def test_a_template_that_does_not_pair_up_is_our_fault() -> None:
    with pytest.raises(RegionError, match="line 1: EVOLVE-BLOCK-END closes no open region"):
        frozen_parts("# EVOLVE-BLOCK-END\n")


def test_only_whole_comment_lines_are_markers() -> None:
    assert has_regions(TEMPLATE)
    assert has_regions("    # EVOLVE-BLOCK-START  improve this\n")
    assert not has_regions("x = '# EVOLVE-BLOCK-START'\n")


TWO = """# EVOLVE-BLOCK-START
A = 1
# EVOLVE-BLOCK-END
def check(x):
    if x < 0:
        raise ValueError
# EVOLVE-BLOCK-START
B = 2
# EVOLVE-BLOCK-END
"""


def test_frozen_text_may_not_become_part_of_a_string() -> None:
    hidden = TWO.replace("A = 1", 'A = """').replace("B = 2", '"""\ndef check(x): pass')
    assert change_outside(hidden, TWO) == (
        "changes what the text outside the marked regions means, though not the text itself"
    )
    assert change_outside(TWO.replace("A = 1", "A = [\n    1,\n]"), TWO) is None


def test_other_line_separators_are_no_new_lines() -> None:
    template = "# note\nCHECK = 1\n# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n"
    for separator in ("\x0b", "\x0c", "\x1c", "\x85", "\u2028"):
        assert change_outside(template.replace("note\n", f"note{separator}"), template) is not None


def test_regions_inside_a_class_may_change() -> None:
    template = "class Policy:\n    x = 1\n    # EVOLVE-BLOCK-START\n    y = 2\n    # EVOLVE-BLOCK-END\n"
    assert change_outside(template.replace("y = 2", "y = 3\n    z = 4"), template) is None
    assert change_outside(template.replace("x = 1", "x = 2"), template) is not None
