"""Foreign text on one line, and the path in a name such as ``openevolve:DIR``."""

from __future__ import annotations

from pathlib import Path


def path_behind(prefix: str, name: str) -> Path:
    """The path behind a prefix; what stands before the prefix is the folder that it is relative to."""
    before, _, path = name.rpartition(prefix)
    return Path(before) / path


def printable(text: str, most: int = 80) -> str:
    """One printable line of bounded length, whatever a guest or a file says."""
    line = " ".join(text[: 4 * most].split())
    return "".join(character if character.isprintable() else "?" for character in line)[:most]
