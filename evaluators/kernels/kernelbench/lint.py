"""What is wrong with a file as a problem: outputs that tell nothing, arguments that do not matter, empty laws.

Benchmarks of this kind have been passed by zeros, by constants and by what the last call gave, since outputs were
smaller than the tolerance, the same for all inputs drawn, or independent of an argument. Here each is tried on small
calls before a file becomes a problem, against the same checks that programs meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from evaluators.kernels.kernelbench import judging, laws
from evaluators.kernels.kernelbench.judging import Right
from evaluators.kernels.kernelbench.laws import LAWS, OWN, Weight
from evaluators.kernels.kernelbench.sizing import Sized
from evaluators.kernels.kernelbench.trace import Trace, TraceError

FEW_OUTPUTS = 64
"""Items of an output below which rows and averages say nothing beyond the items."""

DRAWS = 2
CALLS = 2
"""So many of the small calls are tried."""

ILL_CONDITIONED = 64.0
"""Units by which the worst item of an honest program may be off."""

NOTHING: frozenset[str] = frozenset()


def usable_laws(smalls: Sequence[Sized], weights: Mapping[str, Weight]) -> tuple[str, ...]:
    """Laws under which outputs can be judged, the file's own first.

    Raises:
        TraceError: under the file's own law they cannot.
    """
    found = []
    for law in LAWS:
        # Not the tiny call that comes last: it may well have the same outputs twice.
        faults = [fault for one in smalls[:CALLS] for fault in _faults(one.trace, weights, law)]
        if law == OWN and faults:
            told = ", ".join(smalls[0].trace.operators)
            raise TraceError(f"its outputs cannot be judged: {faults[0]} (operators {told})")
        if not faults:
            found.append(law)
    return tuple(found)


def _faults(trace: Trace, weights: Mapping[str, Weight], law: str) -> Iterator[str]:
    """Why outputs under this law tell nothing, as far as two draws show."""
    drawn = [laws.contents(trace, weights, law, seed, 0, "cpu") for seed in range(DRAWS)]
    truths = [judging.truth(trace, contents) for contents in drawn]
    honest = [trace.run(contents) for contents in drawn]
    for right, outputs in zip(truths, honest, strict=True):
        faults = list(_hopeless(right, outputs))
        yield from faults
        if faults:
            return
    for place in range(DRAWS):
        if _passes(truths[place], honest[place - 1]):
            yield "they are the same for all inputs, within their error"
            return
    for name in trace.tensors:
        changed = {**drawn[0], name: drawn[1][name]}
        is_other = not torch.equal(drawn[0][name], drawn[1][name])
        if is_other and _passes(judging.truth(trace, changed), honest[0]):
            yield f"they do not depend on {name!r}, within their error"


def _hopeless(right: Sequence[Right], outputs: Sequence[Tensor]) -> Iterator[str]:
    if not all(bool(torch.isfinite(one.exact).all()) for one in right):
        yield "they are not finite"
    elif any(one.budgets["element"] > ILL_CONDITIONED for one in right):
        yield "PyTorch's own operators are far off, so that no budget can be told"
    elif (fault := judging.fault(right, outputs, NOTHING)) is not None:
        yield f"PyTorch's own operators fail them: {fault.reason}"
    else:
        yield from _trivial(right, outputs)


def _trivial(right: Sequence[Right], outputs: Sequence[Tensor]) -> Iterator[str]:
    """What passes without having been computed."""
    for what, wrong in (
        ("zeros", [torch.zeros_like(output) for output in outputs]),
        ("their mean", [torch.full_like(output, float(output.double().mean())) for output in outputs]),
    ):
        if outputs[0].numel() > 1 and _passes(right, wrong):
            yield f"{what} pass for them"


def _passes(right: Sequence[Right], outputs: Sequence[Tensor]) -> bool:
    return judging.fault(right, outputs, NOTHING) is None
