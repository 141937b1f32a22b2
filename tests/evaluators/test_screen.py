from __future__ import annotations

import dataclasses

import pytest

from evaluators.problem import ProblemError
from evaluators.registry import load_problem
from evaluators.screen import ANYTHING, FORBIDDEN_NAMES, screen, screen_by

GOOD = '''"""A program."""
from __future__ import annotations

import math
import numpy as np
from numpy.linalg import norm


class State:
    def __init__(self):
        self.n = 0


def plan(history, previous, *, verbose=False):
    return np.asarray(history) * math.pi + norm(previous)


if __name__ == "__main__":
    plan([1], [2])
'''


def look(source: str, **options: int) -> str | None:
    return screen(
        source, entry="plan", parameters=("history", "previous"), allowed_imports={"numpy", "math"}, **options
    )


def body(line: str) -> str:
    return f"def plan(history, previous):\n    {line}\n    return history\n"


def test_an_honest_program_passes() -> None:
    assert look(GOOD) is None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def plan(history, previous)\n", "does not parse: line 1: expected ':'"),
        ("x = 1\n\0", "line 2: holds a NUL byte"),
        ("x = 1\ny = '\udc80'\n", "line 2: holds a character that UTF-8 cannot encode"),
        ("def other():\n    pass\n", "defines no top-level function plan(history, previous)"),
        ("plan = lambda history, previous: 1\n", "defines no top-level function plan(history, previous)"),
        (
            "async def plan(history, previous):\n    pass\n",
            "defines no top-level function plan(history, previous)",
        ),
        (
            "def plan(previous, history):\n    pass\n",
            "line 1: plan must take (history, previous), not (previous, history)",
        ),
        ("def plan(history):\n    pass\n", "line 1: plan must take (history, previous), not (history)"),
        ("def plan(history, previous, /):\n    pass\n", "line 1: plan must take"),
        ("def plan(history, previous, extra):\n    pass\n", "line 1: plan must take"),
        ("def plan(history, previous, *, extra):\n    pass\n", "line 1: plan must take"),
        ("def plan(*args, **kwargs):\n    pass\n", "line 1: plan must take"),
        (body("import os"), "line 2: imports 'os', but a program may import only: math, numpy"),
        (body("import numpy_evil"), "line 2: imports 'numpy_evil'"),
        (body("import numpy, sys"), "line 2: imports 'sys'"),
        (body("from . import secrets"), "line 2: imports '.'"),
        (body("from subprocess import run"), "line 2: imports 'subprocess'"),
        (body("from numpy import ctypeslib as c"), "line 2: imports 'ctypeslib', which is not allowed"),
        (body("import numpy.ctypeslib"), "line 2: imports 'numpy.ctypeslib'"),
        (body("from numpy.f2py import compile"), "line 2: imports 'numpy.f2py'"),
        (body("numpy.ctypeslib.ctypes"), "line 2: uses the attribute 'ctypes"),
        (body("history.ctypes.data"), "line 2: uses the attribute 'ctypes'"),
        (body("history.__class__.__base__"), "line 2: uses the attribute '__base__'"),
        (body("plan.__globals__"), "line 2: uses the attribute '__globals__', which is not allowed"),
        (body("__builtins__"), "line 2: uses the name '__builtins__', which is not allowed"),
        (body("__import__('os')"), "line 2: uses the name '__import__'"),
        (body("f = open"), "line 2: uses the name 'open'"),
    ],
)
def test_reasons(source: str, reason: str) -> None:
    assert (look(source) or "").startswith(reason)


@pytest.mark.parametrize("name", sorted(FORBIDDEN_NAMES))
def test_every_forbidden_name_is_refused(name: str) -> None:
    assert look(body(f"{name}()")) == f"line 2: uses the name {name!r}, which is not allowed even for a variable"


@pytest.mark.parametrize(
    "source",
    [
        "def plan(history, previous, rounds=3):\n    return history\n",
        "def plan(history, previous, **options):\n    return history\n",
        "def plan(nothing):\n    pass\n\n\ndef plan(history, previous):\n    return history\n",
    ],
)
def test_further_optional_parameters_and_later_definitions_pass(source: str) -> None:
    assert look(source) is None


def test_size_is_counted_in_bytes() -> None:
    source = body("'ä'")
    assert look(source, max_bytes=len(source) + 1) is None
    assert (
        look(source, max_bytes=len(source)) == f"is {len(source) + 1} bytes long, more than the {len(source)} allowed"
    )


def test_depth_is_bounded() -> None:
    assert look(body("x = " + "+".join("1" * 50))) is None
    assert look(body("x = " + "+".join("1" * 500))) == "line 2: is nested more than 100 levels deep"
    assert look(body("x = " + "-" * 50_000 + "1")) == "does not parse: nested too deeply to be parsed"


LONG = f"0x1{'0' * 6000}"


@pytest.mark.parametrize(
    "source",
    [
        f"def plan(history, previous, b={LONG}):\n    return 0\n",
        f"def plan(b={LONG}):\n    return 0\n",
        body(f"history[-{LONG}:] = 1"),
        body(f"match history:\n        case {LONG}: pass"),
        body(f"x = f'{{{LONG}}}'"),
        body(f"x = {2**1024}"),
        body(f"x: {LONG} = 1"),
    ],
)
def test_an_integer_too_long_for_a_float_or_to_be_written_out_is_refused(source: str) -> None:
    reason = look(source)
    assert reason is not None
    assert reason.endswith(": writes an integer of more than 1024 bits; compute it instead")
    assert look(body(f"x = {2**1024 - 1}")) is None


def test_a_long_integer_that_reaches_out_of_a_region_is_a_reason_and_no_error() -> None:
    template = "x = [\n# EVOLVE-BLOCK-START\n1\n# EVOLVE-BLOCK-END\n]\ndef plan(a):\n    return a\n"
    options = {"entry": "plan", "parameters": ("a",), "allowed_imports": frozenset(), "template": template}
    assert screen(template, **options) is None
    assert screen(template.replace("\n1\n", f"\n{LONG}\n"), **options) == (
        "line 3: writes an integer of more than 1024 bits; compute it instead"
    )


def test_text_outside_the_marked_region_must_stay() -> None:
    template = "import math\n# EVOLVE-BLOCK-START\ndef plan(a):\n    return a\n# EVOLVE-BLOCK-END\n"

    def look(source: str) -> str | None:
        return screen(source, entry="plan", parameters=("a",), allowed_imports=frozenset({"math"}), template=template)

    assert look(template) is None
    assert look(template.replace("return a", "return math.sqrt(a)")) is None
    assert look(template.replace("import math", "import math as m")) == (
        "changes part 1 of the text outside the marked regions: 'import math as m'"
    )


def test_a_problem_of_ours_cannot_allow_everything() -> None:
    """That is for tasks whose score is their own claim."""
    facts = load_problem("eplb").declaration
    source = f"import os\n\n\ndef {facts.entry}({', '.join(facts.parameters)}):\n    return os.getpid()\n"
    assert screen_by(dataclasses.replace(facts, allowed_imports=frozenset({ANYTHING})), source) is not None
    assert screen_by(dataclasses.replace(facts, allowed_imports=frozenset({ANYTHING}), claim="its own"), source) is None


def test_a_template_without_a_region_is_refused() -> None:
    facts = load_problem("eplb").declaration
    assert dataclasses.replace(facts, template="# EVOLVE-BLOCK-START\n# EVOLVE-BLOCK-END\n").template
    for bad in ("x = 1\n", "# EVOLVE-BLOCK-START\n"):
        with pytest.raises(ProblemError, match="problem eplb: bad template"):
            dataclasses.replace(facts, template=bad)
