"""The section of each step: its tables, and which target each figure meets or misses."""

from __future__ import annotations

from collections.abc import Callable

from drawing import Raw, Section
from figures_audit import audit
from figures_runs import cheats, honest, search
from figures_time import columns, exported, spread

SECTIONS: dict[str, Callable[[Raw], Section]] = {
    "columns": columns,
    "spread": spread,
    "exported": exported,
    "honest": honest,
    "audit": audit,
    "cheats": cheats,
    "search": search,
}


def section(name: str, result: Raw) -> Section:
    """The section of a step; one that cannot be drawn says so and costs no other."""
    try:
        return SECTIONS[name](result)
    except Exception as error:  # noqa: BLE001 - half a result is no reason to lose the other tables
        why = f"The tables of this step cannot be drawn from what it left: {type(error).__name__}: {error}"
        return Section(title=name, text=why, targets=())
