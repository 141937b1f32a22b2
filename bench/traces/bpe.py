"""A small byte-pair encoding, learnt here from the text that it encodes (Sennrich et al., arXiv:1508.07909)."""

from __future__ import annotations

import heapq
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BYTES = 256
END_OF_TEXT = BYTES
"""Token between documents; merges follow."""

_PIECES = re.compile(
    rb"\n[ \t]{0,40}| ?[A-Za-z]{1,16}| ?[0-9]{1,3}| ?[^\sA-Za-z0-9]{1,6}|[ \t\r\f\v]{1,40}|.", re.DOTALL
)
Pair = tuple[int, int]


class Tokenizer:
    """Encodes bytes by learnt merges.

    Args:
        merges: pairs of tokens in the order in which they were learnt; the first makes token 257.
    """

    def __init__(self, merges: list[Pair]) -> None:
        self.merges = merges
        self._rank = {pair: number for number, pair in enumerate(merges)}
        self._known: dict[bytes, list[int]] = {}

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return BYTES + 1 + len(self.merges)

    def encode(self, text: bytes) -> NDArray[np.uint16]:
        """Tokens of a text, uint16 ``(tokens,)``."""
        tokens: list[int] = []
        known = self._known
        for piece in _PIECES.findall(text):
            ids = known.get(piece)
            if ids is None:
                ids = known[piece] = self._merge(piece)
            tokens.extend(ids)
        return np.array(tokens, dtype=np.uint16)

    def encode_all(self, texts: list[bytes]) -> list[NDArray[np.uint16]]:
        """Tokens of each text."""
        return [self.encode(text) for text in texts]

    def _merge(self, piece: bytes) -> list[int]:
        ids = list(piece)
        while len(ids) > 1:
            rank, at = min((self._rank.get(pair, len(self._rank)), i) for i, pair in enumerate(pairwise(ids)))
            if rank == len(self._rank):
                break
            ids[at : at + 2] = [BYTES + 1 + rank]
        return ids


def learn(texts: Iterable[bytes], *, vocabulary: int, words: int, seconds: float) -> Tokenizer:
    """Learn merges from the most frequent words of some texts, until the vocabulary is full or time is up."""
    ends = time.monotonic() + seconds
    counts: Counter[bytes] = Counter()
    for text in texts:
        counts.update(_PIECES.findall(text))
    common = counts.most_common(words)
    pieces = [list(word) for word, _ in common]
    often = [count for _, count in common]
    total: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, ids in enumerate(pieces):
        for pair in pairwise(ids):
            total[pair] += often[number]
            where[pair].add(number)
    heap = [(-count, pair) for pair, count in total.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < vocabulary - BYTES - 1 and time.monotonic() < ends:
        count, pair = heapq.heappop(heap)
        if -count != total[pair]:
            if total[pair] > 0:
                heapq.heappush(heap, (-total[pair], pair))
            continue
        if -count < 2:
            break
        merges.append(pair)
        changed = _replace(pair, BYTES + len(merges), pieces, often, total, where)
        for other in changed:
            heapq.heappush(heap, (-total[other], other))
    return Tokenizer(merges)


def _replace(
    pair: Pair,
    token: int,
    pieces: list[list[int]],
    often: list[int],
    total: Counter[Pair],
    where: defaultdict[Pair, set[int]],
) -> set[Pair]:
    """Put a token for a pair in every word that has it; returns the pairs that became more frequent."""
    grown: set[Pair] = set()
    for number in where.pop(pair):
        ids = pieces[number]
        for old in pairwise(ids):
            total[old] -= often[number]
        merged: list[int] = []
        at = 0
        while at < len(ids):
            if at + 1 < len(ids) and (ids[at], ids[at + 1]) == pair:
                merged.append(token)
                at += 2
            else:
                merged.append(ids[at])
                at += 1
        pieces[number] = merged
        for new in pairwise(merged):
            total[new] += often[number]
            where[new].add(number)
            if token in new:
                grown.add(new)
    del total[pair]
    return grown
