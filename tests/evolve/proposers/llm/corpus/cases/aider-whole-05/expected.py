"""Online bin packing: items arrive in an order that may be chosen, each goes to the bin of highest priority.

Two regions may change: how items are ordered and how bins are ranked.
"""

from collections.abc import Sequence

CAPACITY = 100


# EVOLVE-BLOCK-START
def order(items: Sequence[int]) -> list[int]:
    """Take large items first."""
    return sorted(items, reverse=True)
# EVOLVE-BLOCK-END


def place(item: int, free: list[int], ranks: list[float]) -> int:
    """Return the bin that takes the item, opening a new one where none has room."""
    best = -1
    for index, room in enumerate(free):
        if room >= item and (best < 0 or ranks[index] > ranks[best]):
            best = index
    if best < 0:
        free.append(CAPACITY)
        best = len(free) - 1
    free[best] -= item
    return best


# EVOLVE-BLOCK-START
def priority(item: int, room: int) -> float:
    """Prefer the first bin with room: all bins rank alike."""
    if room < item:
        return -1.0
    return 0.0


def rank_all(item: int, free: Sequence[int]) -> list[float]:
    """Rank every open bin for one item."""
    return [priority(item, room) for room in free]
# EVOLVE-BLOCK-END


def count_bins(items: Sequence[int]) -> int:
    """Entry point: bins used for these items."""
    free: list[int] = []
    for item in order(items):
        place(item, free, rank_all(item, free))
    return len(free)
