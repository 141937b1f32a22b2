"""Right outputs of a product-key router made wrong, each so that one check alone stands against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor

from evaluators.kernels.task import Spoil, Tensors
from evaluators.kernels.tasks.product_judge import UNIT
from evaluators.kernels.tasks.spoils import any_row


def _finite(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    del contents
    scores, ids = outputs[0].clone(), outputs[1]
    scores[any_row(ids[:, 0] >= 0, random, "a pair"), -1] = float("nan")
    return scores, ids


def _range(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    scores, ids = outputs[0], outputs[1].clone()
    ids[any_row(ids[:, 0] >= 0, random, "a pair"), 0] += contents["a"].shape[1] ** 2
    return scores, ids


def _distinct(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """Of two pairs of exactly one sum the first twice."""
    scores, ids = outputs[0], outputs[1].clone()
    sums = _sums(contents, ids)
    row = any_row(sums[:, 0] == sums[:, 1], random, "two equal sums among the best")
    ids[row, 1] = ids[row, 0]
    return scores, ids


def _choice(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """The best pair that was not chosen in place of the last that was, with its own right score."""
    scores, ids = (output.clone() for output in outputs)
    side, k = contents["a"].shape[1], ids.shape[1]
    sums = (contents["a"].double()[:, :, None] + contents["b"].double()[:, None, :]).flatten(1)
    values, pairs = torch.topk(sums, k + 1, dim=1)
    gap = values[:, k - 1] - values[:, k]
    row = any_row(gap > 2 * UNIT * values[:, k - 1].abs() + 1e-6, random, "a pair just below the chosen")
    ids[row] = torch.cat((pairs[row, : k - 1], pairs[row, k:])).to(torch.int32)
    chosen = ids[row].long()
    scores[row] = contents["a"][row, chosen // side].float() + contents["b"][row, chosen % side].float()
    return scores, ids


def _falling(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    del contents
    scores, ids = (output.clone() for output in outputs)
    row = any_row(scores[:, 0] > scores[:, 1], random, "a clear best pair")
    for tensor in (scores, ids):
        tensor[row, :2] = tensor[row, :2].flip(0)
    return scores, ids


def _element(outputs: Sequence[Tensor], contents: Tensors, random: Generator) -> Sequence[Tensor]:
    """The last and least of a row's scores two units in the last place less."""
    del contents
    scores, ids = outputs[0].clone(), outputs[1]
    row = any_row(scores[:, -1].abs() > 1e-6, random, "a last sum that is not 0")
    for _ in range(2):
        scores[row, -1] = torch.nextafter(scores[row, -1], scores.new_tensor(float("-inf")))
    return scores, ids


def _sums(contents: Tensors, ids: Tensor) -> Tensor:
    side, pairs = contents["a"].shape[1], ids.long()
    return contents["a"].gather(1, pairs // side).double() + contents["b"].gather(1, pairs % side).double()


SPOILS: Mapping[str, Spoil] = {
    "finite": _finite,
    "range": _range,
    "distinct": _distinct,
    "choice": _choice,
    "falling": _falling,
    "element": _element,
}
