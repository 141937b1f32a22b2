from __future__ import annotations

import ast
import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.program import (
    ProgramError,
    global_references,
    live_statements,
    normalised_digest,
    parse_program,
)

BASE = '''"""A program."""
import numpy as np

DECAY = 0.7


def smooth(history, decay):
    """Average."""
    weight = decay ** np.arange(len(history))[::-1]
    return sum(w * h for w, h in zip(weight, history))


def plan(history, previous):
    load = smooth(history, DECAY)
    return [int(load[i]) for i in range(len(load))]
'''


def same(other: str, entry: str | None = "plan") -> bool:
    return normalised_digest(BASE, entry=entry) == normalised_digest(other, entry=entry)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("load = smooth", "load  =  smooth"),
        ("DECAY = 0.7", "DECAY = 0.7  # tuned by hand"),
        ('    """Average."""\n', ""),
        ('"""A program."""', "'''Another text.'''"),
        ("weight", "w"),
        ("weight", "coefficients"),
        ("load", "expected"),
        ("for i in", "for expert in"),
        ("DECAY", "FORGETTING"),
        ("smooth", "moving_average"),
        ("import numpy as np\n", "import numpy as np\nimport math\n"),
        ("np", "numpy_module"),
        ("history, decay):", "history: list, decay: float) -> float:"),
        ("def plan", "def dead(x):\n    return DECAY + x\n\n\ndef plan"),
        ("def plan", "UNUSED = (1, 2)\n\n\ndef plan"),
    ],
)
def test_what_does_not_matter_does_not_change_the_digest(old: str, new: str) -> None:
    other = BASE.replace(old, new)
    if old == "for i in":
        other = other.replace("load[i]", "load[expert]")
    assert other != BASE
    assert same(other)


def test_renamed_parameters_of_a_helper_do_not_count() -> None:
    other = BASE.replace("history, decay):", "windows, rate):").replace("decay **", "rate **")
    other = other.replace("len(history))[::-1]", "len(windows))[::-1]").replace(
        "zip(weight, history)", "zip(weight, windows)"
    )
    assert same(other)


def test_order_of_functions_does_not_count() -> None:
    head, smooth, plan = BASE.split("\n\n\n")
    assert same("\n\n\n".join([head, plan, smooth]))
    assert same("\n\n\n".join([head, plan, smooth]), entry=None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.7", "0.71"),
        ("w * h", "w + h"),
        ("[::-1]", "[::-2]"),
        ("int(load[i])", "float(load[i])"),
        ("previous", "before"),
        ("(history, DECAY)", "(DECAY, history)"),
        ("history, decay):", "decay, history):"),
        ("load = smooth(history, DECAY)", "load = smooth(previous, DECAY)"),
        ("import numpy as np", "import math as np"),
        ("0.7", "True"),
        ("    return [int", "    load = load\n    return [int"),
        ("DECAY = 0.7", "DECAY = 0.7\nnp.seterr(all='raise')"),
    ],
)
def test_what_matters_changes_the_digest(old: str, new: str) -> None:
    assert not same(BASE.replace(old, new))


def test_exchanged_names_are_told_apart_from_renamed_ones() -> None:
    first = "def plan(a, b):\n    x = a\n    y = b\n    return x - y\n"
    renamed = "def plan(a, b):\n    y = a\n    x = b\n    return y - x\n"
    exchanged = "def plan(a, b):\n    x = a\n    y = b\n    return y - x\n"
    assert normalised_digest(first, entry="plan") == normalised_digest(renamed, entry="plan")
    assert normalised_digest(first, entry="plan") != normalised_digest(exchanged, entry="plan")


def test_parameters_passed_by_keyword_keep_their_names() -> None:
    first = "def f(x=1, y=2):\n    return x\ndef plan(a):\n    return f(x=a)\n"
    second = "def f(y=1, x=2):\n    return y\ndef plan(a):\n    return f(x=a)\n"
    assert normalised_digest(first, entry="plan") != normalised_digest(second, entry="plan")


def test_a_second_definition_of_a_function_counts_in_its_place() -> None:
    first = "def f():\n    return 1\ndef f():\n    return 2\ndef plan():\n    return f()\n"
    second = "def f():\n    return 2\ndef f():\n    return 1\ndef plan():\n    return f()\n"
    assert normalised_digest(first, entry="plan") != normalised_digest(second, entry="plan")


def test_without_an_entry_every_function_counts() -> None:
    other = BASE + "\n\ndef dead():\n    return 1\n"
    assert same(other)
    assert not same(other, entry=None)


CONSTRUCTS = """
def plan(a):
    def inner(b):
        c = b
        return c + a
    return inner(1)
---
def plan(a):
    try:
        x = 1 / a
    except ZeroDivisionError as error:
        raise error
    return x
---
def plan(a):
    match a:
        case [first, *rest]:
            return first, rest
        case {"k": v, **other}:
            return v, other
---
def plan(a):
    n = 0
    def bump():
        nonlocal n
        n += 1
    bump()
    return n
---
class State:
    size = 3
    def grow(self):
        return State.size
def plan(a):
    return State().grow()
---
def plan(a):
    return [y for x in a if (y := x + 1)] + [y]
---
def plan(a, *rest, key=None, **more):
    return lambda q: (q, a, rest, key, more)
---
COUNT = 0
def plan(a):
    global COUNT
    COUNT += 1
    return {k: v for k, v in a.items()}
"""


@pytest.mark.parametrize("source", CONSTRUCTS.split("---"))
def test_every_construct_has_a_stable_digest(source: str) -> None:
    digest = normalised_digest(source, entry="plan")
    assert len(digest) == 64
    assert digest == normalised_digest("# comment\n" + source, entry="plan")


@given(name=st.from_regex(r"[a-z]{2,8}_[0-9]", fullmatch=True), value=st.integers(0, 9))
def test_any_local_name_gives_one_digest_and_any_constant_its_own(name: str, value: int) -> None:
    source = f"def plan(a):\n    {name} = a + {value}\n    return {name} * {name}\n"
    plain = f"def plan(a):\n    x = a + {value}\n    return x * x\n"
    other = f"def plan(a):\n    x = a + {value + 1}\n    return x * x\n"
    assert normalised_digest(source, entry="plan") == normalised_digest(plain, entry="plan")
    assert normalised_digest(source, entry="plan") != normalised_digest(other, entry="plan")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def plan(:\n", "line 1"),
        ("x = 1\n  y = 2\n", "line 2: unexpected indent"),
        ("x = '\0'\n", "null"),
        ("x = " + "(" * 300 + ")" * 300, "nested"),
        ("x = " + "-" * 100_000 + "1", "nested too deeply"),
    ],
)
def test_what_is_no_program_is_refused_with_a_reason(source: str, reason: str) -> None:
    with pytest.raises(ProgramError, match=reason):
        normalised_digest(source)


def test_live_statements_are_what_the_entry_reaches_and_what_has_effects() -> None:
    tree = parse_program(BASE + "\n\ndef dead():\n    return live()\n\n\ndef live():\n    return 0\n\n\nlive()\n")
    lines = {statement.lineno for statement in live_statements(tree, "plan")}
    dead = next(node.lineno for node in tree.body if getattr(node, "name", "") == "dead")
    live = next(node.lineno for node in tree.body if getattr(node, "name", "") == "live")
    assert live in lines
    assert dead not in lines


def test_global_references_leave_out_what_a_function_binds() -> None:
    function = parse_program("def f(x):\n    y = x + Z\n    return [len(q) for q in y]\n").body[0]
    assert [node.id for node in global_references(function)] == ["Z", "len"]


def test_nonlocal_names_are_those_of_the_function_around() -> None:
    source = (
        "def plan(a):\n    n = m = 0\n    def bump():\n        nonlocal n\n        n += a\n    bump()\n    return n\n"
    )
    other = source.replace("nonlocal n\n        n +=", "nonlocal m\n        m +=")
    renamed = source.replace("n =", "k =").replace("nonlocal n\n        n", "nonlocal k\n        k")
    renamed = renamed.replace("return n", "return k")
    assert normalised_digest(source, entry="plan") == normalised_digest(renamed, entry="plan")
    assert normalised_digest(source, entry="plan") != normalised_digest(other, entry="plan")


def test_an_integer_too_long_to_print_has_a_digest_too() -> None:
    long, other = (f"def f():\n    return 0x1{'0' * 6000}{end}\n" for end in "01")
    assert normalised_digest(long, entry="f") != normalised_digest(other, entry="f")


class Yielding:
    """Garbage whose finalizer lets another thread run, wherever the collector happens to be called."""

    def __init__(self) -> None:
        self.cycle = self

    def __del__(self) -> None:
        time.sleep(0)


def test_threads_may_parse_at_the_same_time() -> None:
    one = "def f{0}(x):\n    return [x + {0} for x in range({0})]"
    source = "\n".join(one.format(number) for number in range(200))

    def parse(_: int) -> str:
        for _ in range(20):
            Yielding()
        return ast.dump(parse_program(source))

    threshold = gc.get_threshold()
    gc.set_threshold(50, 2, 2)
    try:
        with ThreadPoolExecutor(8) as threads:
            assert len(set(threads.map(parse, range(100)))) == 1
    finally:
        gc.set_threshold(*threshold)
