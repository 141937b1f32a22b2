"""Checks that MODULE can be imported, and no more: only the task's own evaluator says what it should do."""

import MODULE


def test_defines_something():
    assert [name for name in vars(MODULE) if not name.startswith("_")]
