"""What counts as another program before it is paid for."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from evolve.novelty import Novelty, Profile, tokens

SEEDS = Path(__file__).parents[2] / "seeds" / "eplb"
PROGRAM = '''"""Balance."""

import numpy as np

DECAY = 0.9  # how fast it forgets
ROUNDS = 200


def plan(history, previous):
    """Plan it."""
    loads = np.zeros(history.shape[1])
    for window in history:
        loads = DECAY * loads + (1 - DECAY) * window
    for _ in range(ROUNDS):
        if loads.max() > 1.5 * loads.mean():
            loads = np.clip(loads, 0.0, None)
    return np.argsort(-loads)
'''


def objection(source: str, *, to: str = PROGRAM, threshold: float | None = None) -> str | None:
    novelty = Novelty() if threshold is None else Novelty(threshold=threshold)
    novelty.remember(7, to)
    return novelty.objection(source, [7])


class TestWhatDoesNotCount:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("0.9  #", "0.9001  #"),
            ("0.9  # how fast it forgets", "0.9  # tune: float 0.5 0.999"),
            ('"""Plan it."""', "'''Another\n    text, with a \"quote\" and a # hash.'''"),
            ('"""Balance."""\n', ""),
            ("np.clip(loads, 0.0, None)", "np.clip(\n                loads,  # all\n\n            0.0, None)"),
            ("DECAY * loads + (1", "DECAY*loads + \\\n            (1"),
            ("\n\n\ndef", "\n# aside\n\n\n\ndef"),
            ("ROUNDS = 200", "ROUNDS = 2_00"),
        ],
    )
    def test_a_repetition(self, old: str, new: str) -> None:
        assert old in PROGRAM
        found = objection(PROGRAM.replace(old, new))
        assert found is not None
        assert "candidate 7" in found
        assert "\n" not in found

    def test_line_ends(self) -> None:
        assert objection(PROGRAM.replace("\n", "\r\n"))


class TestWhatCounts:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("0.9  #", "0.5  #"),
            ("0.9  #", "0.92  #"),
            ("ROUNDS = 200", "ROUNDS = 203"),
            ("ROUNDS = 200", "ROUNDS = 20"),
            ("0.0, None", "0.1, None"),
            ("1.5 *", "-1.5 *"),
            (" > ", " >= "),
            ("argsort", "argmax"),
            ("-loads)", "loads)"),
            ("    for _ in", "        for _ in"),
            ("            loads = np.clip", "        loads = np.clip"),
            ("import numpy as np\n", "import numpy as np\nimport math\n"),
            ("    return", "    loads = loads * 1\n    return"),
        ],
    )
    def test_one_change(self, old: str, new: str) -> None:
        assert old in PROGRAM
        assert objection(PROGRAM.replace(old, new)) is None

    def test_one_constant_of_a_long_program(self) -> None:
        source = 10 * (SEEDS / "relabel.py").read_text() + "\nLAST = 0.5\n"
        assert objection(source, to=source) is not None
        assert objection(source.replace("LAST = 0.5", "LAST = 0.51"), to=source) is None

    @pytest.mark.parametrize("value", [0.0001, 0.037, 0.5, 1.0, 3.3, 64.0, 99.0, 1e6, 1e-12])
    @pytest.mark.parametrize("sign", [-1, 1])
    def test_constants_by_their_relative_change(self, value: float, sign: int) -> None:
        source = f"DECAY = {value!r}\n\n\ndef plan(history):\n    return history * DECAY\n"
        assert objection(source.replace(repr(value), repr(value * (1 + sign * 0.011))), to=source) is None

    @pytest.mark.parametrize("count", range(1, 99))
    def test_small_integers_are_never_the_same(self, count: int) -> None:
        assert objection(f"N = {count + 1}\n", to=f"N = {count}\n") is None

    def test_masks_are_exact(self) -> None:
        assert objection("MASK = 0xFFFE\n", to="MASK = 0xFFFF\n") is None
        assert objection("MASK = 65534\n", to="MASK = 65535\n") is None
        assert objection("MASK = 65534.0\n", to="MASK = 65535.0\n") is not None

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("    a = f(a)\n    a = g(a)\n    a = h(a)\n", "    a = g(a)\n    a = f(a)\n    a = h(a)\n"),
            ("    a = x * 2 + x * 3 + x * 5\n", "    a = x * 3 + x * 2 + x * 5\n"),
            ("    return x[:1000]\n", "    return x[:1001]\n"),
        ],
    )
    def test_swapped_steps_and_integers(self, old: str, new: str) -> None:
        head = "def plan(a, x):\n"
        assert objection(head + new, to=head + old) is None
        assert objection(head + old, to=head + old) is not None

    def test_below_one_the_order_alone_makes_no_difference(self) -> None:
        old = "def plan(a):\n    a = f(a)\n    a = g(a)\n    a = g(a)\n    a = f(a)\n    a = f(a)\n    return a\n"
        new = "def plan(a):\n    a = f(a)\n    a = f(a)\n    a = g(a)\n    a = g(a)\n    a = f(a)\n    return a\n"
        assert objection(new, to=old, threshold=0.9) is not None
        assert objection(new, to=old) is None

    def test_a_repeated_statement_counts(self) -> None:
        line = "    x = x + x\n"
        assert objection("def f(x):\n" + 9 * line, to="def f(x):\n" + 8 * line) is None


class TestNeighbours:
    def test_only_they_count(self) -> None:
        novelty = Novelty()
        novelty.remember(1, PROGRAM)
        novelty.remember(2, PROGRAM.replace("0.9", "0.5"))
        assert novelty.objection(PROGRAM, [2]) is None
        assert novelty.objection(PROGRAM, []) is None
        assert novelty.objection(PROGRAM, [99]) is None
        assert "candidate 1:" in str(novelty.objection(PROGRAM, [2, 1, 99]))

    def test_the_nearest_is_named_the_older_of_equals(self) -> None:
        novelty = Novelty(threshold=0.5)
        novelty.remember(1, PROGRAM.replace(" > ", " < "))
        novelty.remember(3, PROGRAM)
        novelty.remember(2, PROGRAM)
        assert "candidate 2:" in str(novelty.objection(PROGRAM, [1, 3, 2]))
        novelty.forget(2)
        assert "candidate 3:" in str(novelty.objection(PROGRAM, [1, 3, 2]))
        novelty.forget(3)
        novelty.forget(3)
        assert "candidate 1:" in str(novelty.objection(PROGRAM, [1, 3, 2]))

    def test_memory_is_bounded(self) -> None:
        novelty = Novelty(remembered=3)
        for number in range(5):
            novelty.remember(number, f"N = {2**number}\n")
        novelty.remember(4, "N = 16\n")
        assert [bool(novelty.objection(f"N = {2**number}\n", range(5))) for number in range(5)] == [
            False,
            False,
            True,
            True,
            True,
        ]

    @pytest.mark.parametrize(("threshold", "remembered"), [(0.0, 5), (1.01, 5), (0.5, 0)])
    def test_settings_that_make_no_sense(self, threshold: float, remembered: int) -> None:
        with pytest.raises(ValueError, match="must be"):
            Novelty(threshold=threshold, remembered=remembered)


class TestSimilarity:
    def test_the_bound_is_never_below(self) -> None:
        rng = Random(3)
        lines = [line for path in sorted(SEEDS.glob("*.py")) for line in path.read_text().splitlines()]
        profiles = [Profile.of("\n".join(rng.sample(lines, rng.randrange(1, 300)))) for _ in range(30)]
        for one in profiles:
            for other in profiles:
                assert one.most_alike(other) >= one.similarity(other) == other.similarity(one)
        assert all(one.similarity(one) == 1.0 for one in profiles)

    def test_less_is_refused_at_a_lower_threshold(self) -> None:
        changed = PROGRAM.replace(" > ", " >= ")
        assert objection(changed, threshold=0.9)
        assert objection(changed, threshold=0.99) is None

    def test_different_seeds_are_different(self) -> None:
        sources = [path.read_text() for path in sorted(SEEDS.glob("*.py"))]
        for index, source in enumerate(sources):
            novelty = Novelty(threshold=0.9)
            for number, other in enumerate(sources):
                if number != index:
                    novelty.remember(number, other)
            assert novelty.objection(source, range(len(sources))) is None


class TestTokens:
    def test_strings_numbers_and_operators(self) -> None:
        source = "x = rb'a#b' + f\"{y}\" ** 2.5e-3 // 0x1F\nif x[0_1:]: pass\n"
        assert list(tokens(source)) == [
            *("x", "=", "rb'a#b'", "+", 'f"{y}"', "**", "~-599", "//", "0x1F", "\n"),
            *("if", "x", "[", "1", ":", "]", ":", "pass", "\n"),
        ]

    def test_a_string_in_brackets_is_no_docstring(self) -> None:
        assert '"b"' in list(tokens('x = [\n"a",\n"b"\n]\n'))

    @pytest.mark.parametrize(
        "source", ["", "\n\n", "# only\n", "'open", '"""open', ")))", "def (", "x = 0x", "\\", "é = ∑ ¤", "1" * 5000]
    )
    def test_what_is_no_program_is_read_all_the_same(self, source: str) -> None:
        assert Profile.of(source).similarity(Profile.of(source)) == 1.0
        assert objection(source, to=source) is not None

    def test_no_text_takes_forever(self) -> None:
        """Patterns that go back over what they read would take minutes here."""
        pieces = ('"', "'''", '"""a', "\\", "'\\", '"\\\n', "(", "1_", ".1e", "a.", "#", "0x", " ", "\v", "a", "rb")
        for piece in pieces:
            Profile.of(20_000 * piece)
