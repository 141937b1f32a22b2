"""Texts of conversations, each distinct one stored once for all runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, Select, bindparam, insert, select

from db.columns import storable
from db.schema import texts

_KNOWN = select(texts.c.digest, texts.c.id).where(texts.c.digest.in_(bindparam("digests", expanding=True)))
_ADD_TEXT = insert(texts).returning(texts.c.id)


def write_texts(connection: Connection, wanted: Sequence[str]) -> list[int]:
    """Store texts unless they are known; returns the id of each."""
    stored = [storable(text) for text in wanted]
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in stored]
    ids = {row.digest: row.id for row in connection.execute(_KNOWN, {"digests": sorted(set(digests))})}
    for digest, text in zip(digests, stored, strict=True):
        if digest not in ids:
            ids[digest] = connection.execute(_ADD_TEXT, {"digest": digest, "text": text}).scalar_one()
    return [ids[digest] for digest in digests]


def read_texts(connection: Connection, wanted: Select[int]) -> dict[int, str]:
    """Texts by id, each read once however often it was said."""
    rows = connection.execute(select(texts.c.id, texts.c.text).where(texts.c.id.in_(wanted)))
    return {row.id: row.text for row in rows}
