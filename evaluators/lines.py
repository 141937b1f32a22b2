"""Foreign text on one line."""

from __future__ import annotations


def printable(text: str, most: int = 80) -> str:
    """One printable line of bounded length, whatever a guest or a file says."""
    line = " ".join(text[: 4 * most].split())
    return "".join(character if character.isprintable() else "?" for character in line)[:most]
