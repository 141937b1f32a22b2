"""What a user would call for the weighted sum of expert rows today."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from evaluators.kernels.task import Case, Tensors
from evaluators.kernels.tasks.libraries import LibraryOp, MissingColumnError, compiled, vllm_op

Column = Callable[[Case, Tensors], Sequence[Tensor]]

_UNPERMUTE_ARGUMENTS = frozenset(
    {"permuted_hidden_states", "topk_weights", "inv_permuted_idx", "topk", "hidden_states"}
)
_SUM_ARGUMENTS = frozenset({"input", "output"})


def columns() -> Mapping[str, Column]:
    """Columns that can be had here, by name."""
    found: dict[str, Column] = {"eager": _of(_eager), "compiled": _of(compiled(_eager))}
    for name, (make, operator, known) in _VLLM.items():
        try:
            found[name] = make(vllm_op(operator, known))
        except MissingColumnError:
            continue  # `missing` says why
    return found


def missing() -> Mapping[str, str]:
    """Columns that cannot be had here, each with the reason."""
    absent = {"triton_kernels": "it adds rows up inside its matrix product: no kernel of its own to compare with"}
    for name, (_, operator, known) in _VLLM.items():
        try:
            vllm_op(operator, known)
        except MissingColumnError as error:
            absent[name] = str(error)
    return absent


def _eager(expert_out: Tensor, row_of: Tensor, weights: Tensor) -> Tensor:
    return (expert_out[row_of].float() * weights.unsqueeze(-1)).sum(dim=1).to(expert_out.dtype)


def _of(function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        del case
        return (function(contents["expert_out"], contents["row_of"], contents["weights"]),)

    return column


def _unpermute(op: LibraryOp) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        del case
        rows, row_of = contents["expert_out"], contents["row_of"]
        output = rows.new_empty((row_of.shape[0], rows.shape[1]))
        op(
            {
                "permuted_hidden_states": rows,
                "topk_weights": contents["weights"],
                "inv_permuted_idx": row_of,
                "topk": row_of.shape[1],
                "hidden_states": output,
            }
        )
        return (output,)

    return column


def _sum(op: LibraryOp) -> Column:
    def column(case: Case, contents: Tensors) -> Sequence[Tensor]:
        del case
        rows, (tokens, k) = contents["expert_out"], contents["row_of"].shape
        output = rows.new_empty((tokens, rows.shape[1]))
        op({"input": rows.view(tokens, k, rows.shape[1]), "output": output})
        return (output,)

    return column


_VLLM: dict[str, tuple[Callable[[LibraryOp], Column], str, frozenset[str]]] = {
    "vllm": (_unpermute, "moe_unpermute", _UNPERMUTE_ARGUMENTS),
    "vllm_sum": (_sum, "moe_sum", _SUM_ARGUMENTS),
}
