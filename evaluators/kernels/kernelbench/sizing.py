"""Other sizes of a file: which of its integers are sizes, small calls for the interpreter, shapes of a block.

A KernelBench file has one shape, so that a program may be written for it alone. Its module-level integers are changed
here, and what ``Model`` computes is read anew. An integer counts as a size if changing it alone changes the shape of an
argument, for then a program can see it; others stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from random import Random

from evaluators.kernels.forms import Call
from evaluators.kernels.kernelbench.trace import Trace, TraceError

MOST_BYTES = 256 << 20
"""Of all arguments and outputs of a timed call, four times the cache of an H200; KernelBench's own have up to 12 GiB,
and the judge holds several copies."""

MOST_BETWEEN_BYTES = 1 << 30
"""Of the largest value on the way."""

SMALL_ITEMS, SMALL_ROWS = 1 << 15, 61
"""Of a call that the interpreter runs; more than a tile of 32 each way."""

LIMITS_OF_SMALL = (61, 47, 33, 24, 17, 13, 10, 8, 6, 4, 3)
LONG, SHORT = (307, 131, 41), (17, 9, 5, 3)
"""Of calls in which one size is long, so that loops over tiles go round more than once."""

MOST_LONG = 3
"""So many sizes are long once."""

MULTIPLES = (1, 8, 16)
"""A size that is drawn is rounded to a multiple of the first of these with which ``Model`` works."""

Sizes = Mapping[str, int]
Read = Callable[[Sizes], Trace]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """A file at some sizes."""

    sizes: Sizes
    trace: Trace

    @property
    def name(self) -> str:
        """Such as ``M=2048 K=8192``."""
        return " ".join(f"{name}={value}" for name, value in self.sizes.items())

    @property
    def call(self) -> Call:
        """Types and shapes."""
        return Call(name=self.name, tensors=self.trace.tensors, scalars=self.trace.scalars, outputs=self.trace.results)


def resizable(own: Sizes, read: Read) -> dict[str, int]:
    """Those of a file's integers that are sizes, with their own values.

    Raises:
        TraceError: none is, or the file cannot be judged at its own sizes.
    """
    forms = read({}).tensors
    found: dict[str, int] = {}
    # Each alone; then those that are left all at once, since some must stay equal.
    for names in (*([name] for name in own), own):
        tried = [name for name in names if name not in found]
        halves = ({name: _multiple(own[name] // 2, step) for name in tried} for step in MULTIPLES)
        changed = next(_tried(halves, read), None) if tried else None
        if changed is not None and changed.trace.tensors != forms:
            found |= {name: own[name] for name in tried}
    if not found:
        raise TraceError(
            "it has no size that can be changed: write the sizes of its inputs as integers of 16 or more at module "
            "level, such as N = 2048"
        )
    return found


def small(own: Sizes, read: Read) -> list[Sized]:
    """Calls of few items: one about as long every way, some with one long size, a tiny one; no two alike.

    Raises:
        TraceError: the file works with no small sizes.
    """
    wanted = [
        (sizes for most in LIMITS_OF_SMALL for sizes in _even(own, most)),
        *(_uneven(own, name) for name in sorted(own, key=lambda name: -own[name])[:MOST_LONG]),
        (sizes for most in reversed(LIMITS_OF_SMALL) for sizes in _even(own, most)),
    ]
    found: dict[str, Sized] = {}
    for choices in wanted:
        one = next((one for one in _tried(choices, read) if is_small(one.trace)), None)
        if one is not None:
            found.setdefault(one.name, one)
    if not found:
        raise TraceError(
            f"it works with no sizes at which all arguments and outputs have at most {SMALL_ITEMS} items, which is "
            "needed to try programs without a GPU"
        )
    return list(found.values())


def is_small(trace: Trace) -> bool:
    """Whether the interpreter runs such a call in little time, and as it is."""
    items = sum(form.items for form in (*trace.tensors.values(), *trace.results))
    rows = trace.results[0].shape[0] if trace.results[0].shape else 0
    return items <= SMALL_ITEMS and rows <= SMALL_ROWS


def drawn(own: Sizes, low: float, high: float, random: Random, read: Read) -> Sized:
    """Sizes between two shares of the file's own, at most `MOST_BYTES` in all.

    Raises:
        TraceError: the file does not work with any that were tried.
    """
    shares = {name: random.uniform(low, high) for name in own}
    common = random.uniform(low, high)
    try:
        return fitted({name: max(1, round(value * shares[name])) for name, value in own.items()}, read)
    except TraceError:  # some sizes must stay equal
        return fitted({name: max(1, round(value * common)) for name, value in own.items()}, read)


def fitted(wanted: Sizes, read: Read) -> Sized:
    """These sizes, or with the largest (all that are equal) halved as often as needed.

    Raises:
        TraceError: the file does not work with them.
    """
    sizes = dict(wanted)
    reason: TraceError | None = None
    for _ in range(64):
        choices = [{name: _multiple(value, step) for name, value in sizes.items()} for step in MULTIPLES]
        try:
            found = next(_tried(choices, read))
        except StopIteration:
            raise TraceError(f"it does not work with the sizes {dict(wanted)}") from reason
        if found.trace.bytes <= MOST_BYTES and found.trace.most_between_bytes <= MOST_BETWEEN_BYTES:
            return found
        largest = max(sizes.values())
        sizes = {name: value // 2 if value == largest else value for name, value in sizes.items()}
    raise TraceError(f"its arguments and outputs have more than {MOST_BYTES >> 20} MiB at any size")


def _even(own: Sizes, most: int) -> Iterator[dict[str, int]]:
    """Sizes about `most`, different from each other, then equal, then multiples."""
    names = sorted(own)
    yield {name: min(own[name], max(2, most - 2 * names.index(name))) for name in own}
    for step in MULTIPLES:
        yield {name: min(own[name], _multiple(most, step)) for name in own}


def _uneven(own: Sizes, long: str) -> Iterator[dict[str, int]]:
    for most in LONG:
        for short in SHORT:
            for step in MULTIPLES:
                yield {
                    name: min(value, _multiple(most if name == long else short, step)) for name, value in own.items()
                }


def _multiple(value: int, step: int) -> int:
    return max(1, value // step) * step if step > 1 else value


def _tried(choices: Iterable[dict[str, int]], read: Read) -> Iterator[Sized]:
    for sizes in choices:
        try:
            yield Sized(sizes=sizes, trace=read(sizes))
        except TraceError:
            continue
