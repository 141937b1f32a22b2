"""The seeds of `request_router`: examples by hand for each rule, then laws that hold for all."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seeds import ROOT, read_seeds, read_statement

FOLDER = ROOT / "request_router"
SOURCES = {seed.name: seed.source for seed in read_seeds(FOLDER)}
NAMES = {
    "cache_aware",
    "dualmap",
    "least_loaded",
    "least_tokens",
    "min_ttft",
    "power_of_two",
    "prefix_hash",
    "round_robin",
}
ALLOWED_IMPORTS = {"numpy", "math", "heapq", "itertools", "functools", "collections"}
SIGNATURE = ["now_seconds", "age_seconds", "input_tokens", "blocks", "view", "costs", "objective_seconds"]
COSTS = np.array([0.02, 1e-4, 1.9e-9, 0.01])
every_seed = pytest.mark.parametrize("name", sorted(NAMES))


def load(name: str) -> dict[str, Any]:
    """Run a program's text in a fresh namespace, as a sandbox does."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    exec(compile(SOURCES[name], "candidate", "exec"), namespace)
    return namespace


def view(**rows: list[float]) -> np.ndarray:
    """Figures of instances, zero where not given; read-only, as the judge lends them."""
    names = ["cached_blocks", "waiting", "queued_tokens", "running", "done_tokens", "busy_seconds"]
    count = len(next(iter(rows.values())))
    figures = np.array([rows.get(name, [0] * count) for name in names], dtype=np.float64)
    figures.setflags(write=False)
    return figures


def ask(program: dict[str, Any], figures: np.ndarray, blocks: list[int], **changes: Any) -> int:
    facts = {
        "now_seconds": 10.2,
        "age_seconds": 0.2,
        "input_tokens": 512 * len(blocks),
        "blocks": np.array(blocks),
        "view": figures,
        "costs": COSTS,
        "objective_seconds": 5.0,
    }
    reply = program["route"](**{**facts, **changes})
    assert isinstance(reply, np.ndarray)
    assert reply.dtype == np.int32
    assert reply.shape == (1,)
    return int(reply[0])


def test_the_seeds_are_those_announced() -> None:
    assert set(SOURCES) == NAMES
    assert f"def route({', '.join(SIGNATURE)}):" in read_statement(FOLDER)


@every_seed
def test_a_seed_names_its_source_and_imports_only_what_is_allowed(name: str) -> None:
    tree = ast.parse(SOURCES[name])
    assert "Source:" in (ast.get_docstring(tree) or "")
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {module.split(".")[0] for module in imported} <= ALLOWED_IMPORTS
    entry = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "route")
    assert [argument.arg for argument in entry.args.args] == SIGNATURE


def test_functions_of_one_name_are_interchangeable() -> None:
    """Where two seeds share a function's or a class's name, they share its text, but for the entry."""
    texts: dict[str, set[str]] = {}
    for source in SOURCES.values():
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name != "route":
                texts.setdefault(node.name, set()).add(ast.unparse(node))
    assert {name for name, different in texts.items() if len(different) > 1} == set()
    assert "Ledger" in texts


@every_seed
@pytest.mark.parametrize("instances", [1, 4, 32])
def test_choices_are_legal_and_repeatable(name: str, instances: int) -> None:
    def stream() -> list[int]:
        rng = np.random.default_rng(instances)
        program, chosen, now = load(name), [], 0.0
        for _ in range(150):
            now += rng.exponential(0.1)
            blocks = rng.integers(1, 50, int(rng.integers(1, 9))).tolist()
            figures = view(
                cached_blocks=rng.integers(0, len(blocks) + 1, instances).tolist(),
                waiting=rng.integers(0, 5, instances).tolist(),
                queued_tokens=rng.integers(0, 50_000, instances).tolist(),
                running=rng.integers(0, 9, instances).tolist(),
            )
            tokens = int(rng.integers(1, 512 * len(blocks) + 1))
            chosen.append(ask(program, figures, blocks, now_seconds=now, age_seconds=now % 0.5, input_tokens=tokens))
        return chosen

    first = stream()
    assert first == stream()
    assert all(0 <= instance < instances for instance in first)


def test_round_robin_goes_round() -> None:
    program = load("round_robin")
    assert [ask(program, view(waiting=[9, 0, 0]), [1]) for _ in range(5)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("name", ["least_loaded", "least_tokens", "min_ttft"])
def test_what_was_sent_since_the_view_counts_until_the_next(name: str) -> None:
    program = load(name)
    idle = view(waiting=[0, 0, 0])
    assert sorted(ask(program, idle, [number, 1000 + number]) for number in range(3)) == [0, 1, 2]
    assert ask(program, idle, [9], now_seconds=10.9, age_seconds=0.4) == 0, "a new view shows what was sent"


def test_least_loaded_counts_requests_and_least_tokens_their_work() -> None:
    figures = view(waiting=[2, 1], running=[0, 2], queued_tokens=[90_000, 30_000])
    assert ask(load("least_loaded"), figures, [1]) == 0
    assert ask(load("least_tokens"), figures, [1]) == 1


def test_power_of_two_avoids_the_most_loaded_and_spreads_the_rest() -> None:
    program = load("power_of_two")
    figures = view(waiting=[9, 0, 1, 2])
    chosen = Counter(ask(program, figures, [1], now_seconds=10.0 + n, age_seconds=0.0) for n in range(600))
    assert chosen[0] == 0, "it always loses"
    # Of six pairs the idlest wins three, the next two, the third one.
    assert [chosen[instance] / 600 for instance in (1, 2, 3)] == pytest.approx([3 / 6, 2 / 6, 1 / 6], abs=0.06)


def test_prefix_hash_keeps_prefixes_together_within_the_bound() -> None:
    program = load("prefix_hash")
    idle = view(waiting=[0] * 8)
    homes = {root: ask(program, idle, [root, 5], now_seconds=10.0 + root) for root in range(1, 200)}
    assert all(ask(program, idle, [r, 6, 7], now_seconds=300.0 + r) == home for r, home in homes.items())
    counts = Counter(homes.values())
    assert len(counts) == 8
    assert max(counts.values()) < 2 * 199 / 8
    # With 1.25 times the mean of (8 + 1) / 8 nobody takes more than two: a third goes to the next on the ring.
    home = homes[1]
    crowded = view(waiting=[2 if instance == home else 6 / 7 for instance in range(8)])
    assert ask(program, crowded, [1, 5], now_seconds=900.0) == program["preference"](np.array([1]), 8)[1]


def test_cache_aware_follows_the_published_rule() -> None:
    choose = load("cache_aware")["choose"]
    size = np.array([10, 50, 30])
    balanced, length = np.array([20.0, 10.0, 5.0]), np.array([1, 4, 2])
    assert choose(balanced, length, 12, size) == 1, "4 of 12 blocks are more than 30 %"
    assert choose(balanced, length, 14, size) == 0, "4 of 14 are not: the smallest record"
    assert choose(np.array([5.0, 70.0, 10.0]), length, 12, size) == 0, "65 more than the least, and 14 times as many"
    assert choose(np.array([5.0, 69.0, 10.0]), length, 12, size) == 1, "64 more are not more than 64"
    assert choose(np.array([150.0, 220.0, 151.0]), length, 12, size) == 1, "nor are 1.47 times as many enough"


def test_cache_aware_remembers_what_it_sent() -> None:
    program = load("cache_aware")
    idle = view(waiting=[0, 0, 0])
    home = ask(program, idle, [1, 2, 3, 4])
    other = ask(program, idle, [7, 8, 9])
    assert other != home, "nothing in common: the one that was sent the least"
    assert ask(program, idle, [1, 2, 3, 5]) == home
    assert ask(program, idle, [7, 8]) == other
    assert program["TREE"].longest(np.array([1, 2, 8]), 3)[home] == 2


def test_min_ttft_weighs_waiting_against_reading_again() -> None:
    # Prompt of 20 blocks: 1.24 s uncached, 0.12 s with 19 blocks cached.
    program = load("min_ttft")
    seconds = program["prefill_seconds"](10_240, np.array([10_240.0, 512.0]), COSTS)
    assert seconds == pytest.approx([0.02 + 1.024 + 1.9e-9 * 10_240 * 5_120, 0.02 + 0.0512 + 1.9e-9 * 512 * 9_984])
    blocks = list(range(1, 21))
    assert ask(program, view(cached_blocks=[0, 19], queued_tokens=[0, 8_000]), blocks) == 0 + 1
    assert ask(load("min_ttft"), view(cached_blocks=[0, 19], queued_tokens=[0, 9_500]), blocks) == 0


def test_dualmap_has_two_candidates_and_leaves_the_cached_one_when_late() -> None:
    program = load("dualmap")
    pairs = [program["candidates"](np.array([root, root + 1]), 6) for root in range(1, 2000)]
    assert all(first != second and min(first, second) >= 0 and max(first, second) < 6 for first, second in pairs)
    assert min(Counter(pairs).values()) > 20, "all 30 ordered pairs come"
    first, second = program["candidates"](np.array([1, 2]), 6)
    assert program["candidates"](np.array([1, 2, 3]), 6) == (first, second), "the key is the first two blocks"
    cached = [20 if instance == second else 0 for instance in range(6)]
    busy = [30_000 if instance == second else 0 for instance in range(6)]
    blocks = [1, 2, *range(3, 21)]
    assert ask(program, view(cached_blocks=cached, queued_tokens=busy), blocks) == second, "3.5 s are in time"
    late = [60_000 if instance == second else 0 for instance in range(6)]
    assert ask(load("dualmap"), view(cached_blocks=cached, queued_tokens=late), blocks) == first


@pytest.mark.parametrize("name", ["min_ttft", "cache_aware"])
def test_an_export_runs_where_nothing_of_ours_is_installed(name: str, tmp_path: Path) -> None:
    (tmp_path / "policy.py").write_text(SOURCES[name])
    for text in ("usage.md", "benchmark.py"):
        program = (FOLDER / "export" / text).read_text().replace("MODULE", "policy")
        path = tmp_path / f"{Path(text).stem}.py"
        path.write_text(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n{program}")
        run = subprocess.run(
            [sys.executable, "-I", str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert run.returncode == 0, run.stderr
    lines = {line.split()[0]: line.split() for line in run.stdout.splitlines()[1:]}
    assert float(lines["policy"][1]) > float(lines["round"][2])


def test_the_exported_test_passes_and_can_fail(tmp_path: Path) -> None:
    text = (FOLDER / "export" / "test.py").read_text().replace("MODULE", "policy")
    (tmp_path / "test_policy.py").write_text(text)
    for source, code in ((SOURCES["dualmap"], 0), (SOURCES["dualmap"].replace("np.int32", "np.int64"), 1)):
        (tmp_path / "policy.py").write_text(source)
        run = subprocess.run(
            [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_policy.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == code, run.stdout + run.stderr
