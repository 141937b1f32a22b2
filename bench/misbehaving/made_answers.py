"""Answers without a model behind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

Answer = Callable[[str, Random], str]


def change_a_number(prompt: str, rng: Random) -> str:
    """One number of the program in the prompt's last block, changed by up to a half."""
    blocks = re.findall(r"```python\n(.*?)```", prompt, re.DOTALL)
    program = blocks[-1] if blocks else "FACTOR = 1.0\n"
    numbers = list(re.finditer(r"(?<![\w.\"'])\d+(?:\.\d+)?(?![\w\"'])", program)) or [None]
    chosen = rng.choice(numbers)
    if chosen is None:
        return f"There is no number to change.\n\n```python\n{program}# {rng.random()}\n```\n"
    value = float(chosen[0]) * rng.uniform(0.5, 1.5)
    text = f"{value:.6g}" if "." in chosen[0] else str(max(1, round(value) + rng.choice((0, 1))))
    changed = program[: chosen.start()] + text + program[chosen.end() :]
    start, end = program.rfind("\n", 0, chosen.start()) + 1, program.find("\n", chosen.end())
    line = program[start:end]
    if program.count(line) > 1 or end < 0 or rng.random() < 0.3:
        return f"I changed {chosen[0]} to {text}.\n\n```python\n{changed}```\n"
    new = changed[start : end + len(text) - len(chosen[0])]
    return f"I change {chosen[0]} to {text}.\n\n<<<<<<< SEARCH\n{line}\n=======\n{new}\n>>>>>>> REPLACE\n"


def new_constant(prompt: str, rng: Random) -> str:
    """A new program for the trivial problem, whatever is asked."""
    del prompt
    value = f"{rng.uniform(0.2, 0.8):.12f}"
    program = f"import numpy as np\n\n\ndef answer(size):\n    return np.full(size, {value})\n"
    return f"SUMMARY: return {value}\n\n```python\n{program}```\n"
