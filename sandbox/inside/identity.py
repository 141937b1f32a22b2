"""A user of their own for the guests of root: which id.

The id is one that nobody else uses, so that the kernel's count of a user's processes is the count of the
guest's, and so that it owns nothing but its scratch.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from sandbox.inside import privileges

# Between the ranges that systemd documents for containers and the ids above 2**31 ("Users, Groups, UIDs and
# GIDs on systemd Systems"); a container that maps fewer ids gives us some of its own.
FIRST_ID = 0x70000000
COUNT = 1 << 24
ROOT = 0
# What root needs to give a guest another user, and to end it and remove its files afterwards (capability.h).
NEEDED = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "KILL": 5, "SETGID": 6, "SETUID": 7}


def _ranges(text: str) -> list[tuple[int, int]]:
    """First id and count of every range in a ``uid_map`` or ``gid_map``, as seen from inside."""
    return [(int(first), int(count)) for first, _, count in (line.split() for line in text.splitlines())]


def pick(maps: tuple[str, str]) -> int | None:
    """An id at random that both maps know; None where there is hardly more than root.

    Args:
        maps: contents of ``/proc/self/uid_map`` and ``/proc/self/gid_map``.
    """

    def known(number: int) -> bool:
        return all(any(first <= number < first + count for first, count in _ranges(text)) for text in maps)

    wish = FIRST_ID + secrets.randbelow(COUNT)
    if known(wish):
        return wish
    first, count = max(_ranges(maps[0]), key=lambda entry: entry[1])
    # The upper half of what a container has; its own users sit at the lower end, nobody at 65534 or the top.
    wish = first + count // 2 + secrets.randbelow(max(1, count // 2 - 4))
    return wish if count > COUNT >> 14 and known(wish) else None


def for_guests() -> tuple[int | None, str]:
    """The id that guests of this process are to get, or None and why; an ordinary user's guests keep its own."""
    if os.geteuid() != ROOT:
        return None, ""
    held = privileges.effective_capabilities()
    lacking = [f"CAP_{name}" for name, bit in NEEDED.items() if not held >> bit & 1]
    if lacking:
        return None, f"root lacks {', '.join(lacking)} here"
    own = Path("/proc/self")
    found = pick(((own / "uid_map").read_text("ascii"), (own / "gid_map").read_text("ascii")))
    return found, "" if found is not None else "no further user ids are mapped here"
