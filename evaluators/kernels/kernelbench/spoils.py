"""Right outputs of a file's ``Model`` made wrong in one way each, in the units of `judging`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Generator, Tensor

from evaluators.kernels.kernelbench.judging import Right
from evaluators.kernels.task import Spoil, Tensors

BEYOND = 1.15
"""How far beyond a budget, so that rounding does not bring it back."""


def spoils(truth: Callable[[Tensors], Sequence[Right]]) -> Mapping[str, Spoil]:
    """By the name of the check that alone stands against it; each spoils the first output.

    Args:
        truth: gives what is right for contents.
    """

    def spoil(change: Callable[[Tensor, Right, Generator], Tensor]) -> Spoil:
        def spoilt(outputs: Sequence[Tensor], contents: Tensors, generator: Generator) -> Sequence[Tensor]:
            right = truth(contents)[0]
            return [change(outputs[0], right, generator).to(outputs[0].dtype), *outputs[1:]]

        return spoilt

    return {
        "finite": spoil(_finite),
        "element": spoil(_element),
        "row": spoil(_row),
        "global": spoil(_global),
        "bias": spoil(_bias),
    }


def _finite(output: Tensor, right: Right, generator: Generator) -> Tensor:
    del right, generator
    spoilt = output.clone()
    spoilt.view(-1)[-1] = float("nan")
    return spoilt


def _element(output: Tensor, right: Right, generator: Generator) -> Tensor:
    del generator
    spoilt = output.double().clone()
    spoilt.view(-1)[-1] = (right.exact + BEYOND * right.budgets["element"] * right.unit).reshape(-1)[-1]
    return spoilt


def _row(output: Tensor, right: Right, generator: Generator) -> Tensor:
    width = output.shape[-1]
    spoilt = output.double().clone().view(-1, width)
    wrong = right.exact + BEYOND * right.budgets["row"] * right.unit * _signs(right.exact, generator)
    spoilt[-1] = wrong.view(-1, width)[-1]
    return spoilt.view(output.shape)


def _global(output: Tensor, right: Right, generator: Generator) -> Tensor:
    del output
    return right.exact + BEYOND * right.budgets["global"] * right.unit * _signs(right.exact, generator)


def _bias(output: Tensor, right: Right, generator: Generator) -> Tensor:
    """Between the least that is off to one side and the most that passes as a whole, where some are zero too."""
    del output, generator
    signs = right.exact.sign()
    share = float(signs.abs().mean())
    least, most = right.budgets["bias"] / share, right.budgets["global"] / math.sqrt(share)
    return right.exact + math.sqrt(least * most) * right.unit * signs


def _signs(exact: Tensor, generator: Generator) -> Tensor:
    return torch.randint(0, 2, exact.shape, generator=generator).double() * 2 - 1
