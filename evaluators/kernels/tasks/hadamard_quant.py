"""Vectors rotated by a Hadamard matrix and rounded to four bits, as in a quantised key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.task import Case, Fault, KernelWorkload, Spoil, Tensors, Traffic
from evaluators.kernels.tasks.sizes import Blocks, Shape, Tokens, about, anchor
from evaluators.model import Split

if TYPE_CHECKING:
    from torch import Tensor

    from evaluators.kernels.tasks.hadamard_judge import HadamardTruth

WIDTH = 128
"""Length of a vector: the head size of most transformers of today."""

MIXED_LAW = "mixed"
"""Every row by a law of its own."""

LAWS = (
    "mixed",
    "zeros",
    "integers",
    "vectors",
    "outliers",
    "walsh",
    "scaled",
    "binary",
    "shifted",
    "one_hot",
    "equal",
    "cache",
)
"""How vectors are drawn, see `hadamard_laws`; values other than 0 lie between 2**-60 and 2**60 in size."""

TIMED_LAWS = {Split.TRAIN: "vectors", Split.VALIDATION: "vectors", Split.HIDDEN: "cache"}


def _rows(number: Tokens) -> Shape:
    return Shape(tokens=number, width=WIDTH, k=1)


# Vectors of one layer's keys or values: tokens times key-value heads of size 128. Llama-3-8B and Mixtral have 8 such
# heads, Qwen3-30B 4. A batch of decoding sequences gives tens to thousands of vectors, prefill of 1k to 32k tokens the
# others.
_TRAIN = (
    _rows(Tokens(least=9, most=60)),
    _rows(anchor(512)),
    _rows(about(4000)),
    _rows(about(17000)),
    _rows(about(50000)),
    _rows(anchor(131072)),
)
_VALIDATION = (
    _rows(Tokens(least=1, most=32)),
    _rows(about(300)),
    _rows(about(2300)),
    _rows(about(10000)),
    _rows(about(33000)),
    _rows(about(100000)),
)
_HIDDEN = (
    _rows(about(120)),
    _rows(about(1200)),
    _rows(about(7000)),
    _rows(about(28000)),
    _rows(about(75000)),
    _rows(about(230000)),
)
_SHAPES = {Split.TRAIN: _TRAIN, Split.VALIDATION: _VALIDATION, Split.HIDDEN: _HIDDEN}

# Beside the timed shapes: no vector, one, one less and one more than a tile of 64.
_ODD = ((0, WIDTH, 1), (1, WIDTH, 1), (63, WIDTH, 1), (65, WIDTH, 1))
_BLOCKS = {
    split: Blocks(
        name="hadamard_quant",
        shapes=_SHAPES,
        odd=_ODD,
        checked_tokens=(16, 120),
        laws=LAWS,
        timed_law=law,
    )
    for split, law in TIMED_LAWS.items()
}


class HadamardQuant:
    """The task ``hadamard_quant(x bf16[R, 128]) -> (codes u8[R, 64], scale f32[R])``.

    With ``y = x @ H / sqrt(128)``, where ``H[i, n]`` is -1 to the number of ones in ``i & n`` (Sylvester's order):
    ``scale[r] = max |y[r]| / 7`` and ``code[r, n] = y[r, n] / scale[r]`` rounded to the nearest integer, half to even,
    -7 .. 7, as four bits in two's complement; ``codes[r, j]`` holds ``code[r, 2 j]`` in its low nibble and
    ``code[r, 2 j + 1]`` in its high one. A row of zeros has scale 0 and codes 0. Where the exact quotient lies within
    float32's error of half-way, either neighbour is right.
    """

    name = "hadamard_quant"
    entry = "hadamard_quant"
    parameters = ("x",)
    revision = 1
    checks = ("finite", "scale", "global", "bias", "code")
    partial_columns = frozenset({"compiled_bf16", "fast_hadamard"})
    """Columns that do less than is asked, to compare times: ``compiled_bf16`` rounds the rotated vector to bf16 before
    its codes, ``fast_hadamard`` rotates alone."""

    def workloads(self, split: Split, seed: bytes) -> Sequence[KernelWorkload]:
        """Six numbers of rows, from decode to a large cache; hidden ones hold other contents too."""
        return _BLOCKS[split].draw(split, seed, self._call_of, lambda: MIXED_LAW)

    def call(self, rows: int, dtype: str = "bfloat16") -> Call:
        """The call of a number of rows; another type of the vectors is for tiers that have no bf16."""
        return Call(
            name=f"R={rows}",
            tensors={"x": Form(dtype=dtype, shape=(rows, WIDTH))},
            outputs=(Form(dtype="uint8", shape=(rows, WIDTH // 2)), Form(dtype="float32", shape=(rows,))),
        )

    def contents(self, case: Case, number: int, device: str) -> Tensors:
        """Fresh vectors."""
        from evaluators.kernels.tasks import hadamard_laws  # noqa: PLC0415 - torch is optional

        return {"x": hadamard_laws.vectors(case, number, device)}

    def truth(self, case: Case, contents: Tensors) -> HadamardTruth:
        """Rotated vectors in float64 and how far a float32 rotation may be off."""
        del case
        from evaluators.kernels.tasks import hadamard_judge  # noqa: PLC0415 - torch is optional

        return hadamard_judge.truth(contents["x"])

    def fault(
        self, case: Case, contents: Tensors, truth: HadamardTruth, outputs: Sequence[Tensor], off: frozenset[str]
    ) -> Fault | None:
        """The first check that the outputs fail."""
        del case, contents
        from evaluators.kernels.tasks import hadamard_judge  # noqa: PLC0415 - torch is optional

        codes, scale = outputs
        return hadamard_judge.fault(truth, codes, scale, off)

    def traffic(self, case: Case, contents: Tensors) -> Traffic:
        """Every value read once, both results written once.

        Of the operations only a comparison and a product for each value are counted: the rotation itself takes seven
        additions a value, but matrix units may do them.
        """
        del contents
        values = case.call.tensors["x"]
        return Traffic(
            read_bytes=values.bytes,
            written_bytes=sum(form.bytes for form in case.call.outputs),
            flops=2.0 * values.items,
        )

    def columns(self) -> Mapping[str, Callable[[Case, Tensors], Sequence[Tensor]]]:
        """What a user would call instead."""
        from evaluators.kernels.tasks import hadamard_columns  # noqa: PLC0415 - torch is optional

        return hadamard_columns.columns()

    def missing_columns(self) -> Mapping[str, str]:
        """Columns that cannot be had here, each with the reason."""
        from evaluators.kernels.tasks import hadamard_columns  # noqa: PLC0415 - torch is optional

        return hadamard_columns.missing()

    def audit_case(self, seed: int) -> Case:
        """A case of enough rows that every one of `spoils` can be told from rounding."""
        return Case(call=self.call(512), law="vectors", seed=seed)

    def spoils(self) -> Mapping[str, Spoil]:
        """For each check right outputs of `audit_case` made wrong so that this check alone stands against them."""
        from evaluators.kernels.tasks import hadamard_spoils  # noqa: PLC0415 - torch is optional

        return hadamard_spoils.SPOILS

    def _call_of(self, rows: int, width: int, k: int) -> Call:
        del width, k
        return self.call(rows)
