"""What choosing a parent costs as a search grows: milliseconds of processor time for one choice and for one tell.

Every selector is told of random candidates with 24 cells and 8 kinds of workload, each a child of whoever it chooses;
the time is that of the last `WINDOW` before each size. The ratio is to the smallest size. Run:

    python bench/selection_cost.py
"""

from __future__ import annotations

import argparse
import time
from random import Random
from statistics import median

from evolve.selectors import SELECTORS, Member, Selector

SIZES = (100, 10_000, 100_000)
WINDOW = 80


def member(number: int, rng: Random, parent: int | None) -> Member:
    low = rng.gauss(number**0.5, 10)
    return Member(
        number=number,
        mean=low + 2,
        low=low,
        cell=(rng.randrange(6), rng.randrange(4)),
        is_seed=parent is None,
        parent=parent,
        kinds={f"26x64/kind{kind}": low + rng.gauss(0, 5) for kind in range(8)},
    )


def measure(selector: Selector, sizes: tuple[int, ...]) -> list[tuple[float, float]]:
    """Medians of milliseconds for one choice and one tell, at each size."""
    rng = Random(1)
    found: list[tuple[float, float]] = []
    chosen: list[float] = []
    told: list[float] = []
    parent: int | None = None
    for number in range(max(sizes)):
        if number >= 8 and (number % 10 == 0 or min(abs(number + 1 - size) for size in sizes) < WINDOW):
            begun = time.process_time()
            choice = selector.choose(rng)
            chosen.append(time.process_time() - begun)
            parent = choice.parent if choice else None
        each = member(number, rng, parent)
        begun = time.process_time()
        selector.tell(each)
        told.append(time.process_time() - begun)
        if parent is not None:
            selector.bred(parent)
        if number + 1 in sizes:
            found.append((1e3 * median(chosen[-WINDOW:]), 1e3 * median(told[-WINDOW:])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="how many are told; at least 100 each")
    options = parser.parse_args()
    sizes = tuple(sorted(options.sizes))
    print(f"{'selector':12} {'told':>8} {'ms/choice':>10} {'ratio':>6} {'ms/tell':>8} {'ratio':>6} {'kept':>5}")
    for name, factory in SELECTORS.items():
        selector = factory()
        found = measure(selector, sizes)
        for size, (choice, tell) in zip(sizes, found, strict=True):
            ratios = choice / found[0][0], tell / found[0][1]
            kept = len(selector.leaders(10_000)) if size == sizes[-1] else ""
            print(
                f"{name:12} {size:8} {choice:10.3f} {ratios[0]:6.1f} {tell:8.3f} {ratios[1]:6.1f} {kept:>5}", flush=True
            )


if __name__ == "__main__":
    main()
