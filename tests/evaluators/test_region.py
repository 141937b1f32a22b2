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
