"""Imports much of the standard library, also in a call.

family: honest
expect: ok

What is installed may be imported as far as the sandbox goes; which imports are allowed is the screen's to say.
"""

import bisect
import collections
import dataclasses
import decimal
import enum
import fractions
import functools
import heapq
import itertools
import json
import math
import operator
import random
import re
import statistics
import string
import textwrap
import time
import typing


@dataclasses.dataclass(frozen=True)
class _Item:
    load: float
    expert: int = 0


class _Kind(enum.Enum):
    HOT = 1


def cheat(honest, arguments):
    import array
    import copy

    heap = [(-item.load, item.expert) for item in map(_Item, (3.0, 1.0, 2.0))]
    heapq.heapify(heap)
    assert heap[0][0] == -3.0
    assert _Kind(1) is _Kind.HOT
    assert json.loads(json.dumps(collections.Counter("aab"))) == {"a": 2, "b": 1}
    assert functools.reduce(operator.add, itertools.accumulate(array.array("i", [1, 2]))) == 4
    assert bisect.bisect([1, 2, 3], 2) == 2
    assert math.isclose(statistics.fmean([1, 3]), 2)
    assert decimal.Decimal(1) / 4 == fractions.Fraction(1, 4)
    assert re.match(r"\d", string.digits)
    assert typing.get_args(list[int]) == (int,)
    assert textwrap.dedent(" a") == "a"
    assert time.time() > 0
    return honest(**copy.copy(arguments)) if random.random() < 2 else None
