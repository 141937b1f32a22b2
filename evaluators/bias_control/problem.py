"""The problem ``bias_control``: keep expert loads even by biases on router scores, knowing only the past."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import seeds
from evaluators.bias_control.measures import MU, bias_form, routed
from evaluators.bias_control.relations import RELATIONS
from evaluators.bias_control.streams import BatchStream
from evaluators.gates import TIME_GATE, TimeGate
from evaluators.model import Metric, Split
from evaluators.policy import POLICY_IMPORTS, PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured
from sandbox import Limits

LEAST_GATE_SECONDS = 0.060
GATE_SECONDS = 0.030
"""What a call may take beside that for 1024 tokens x 64 experts; in proportion for other batches."""

PATIENCE = 3.0
"""All calls of a stream may take so many gates on average."""

COUNTED = 0.5
"""Share of a stream's calls, the quickest, that must keep the gate in the mean; machines hiccup."""

CALL_SECONDS = 3.0
"""A call that takes longer is ended."""

FOLDER = Path(seeds.__file__).parent / "bias_control"

DECLARATION = Declaration(
    name="bias_control",
    family="routing inside the layer",
    title="causal balance of expert loads by biases on router scores",
    entry="update",
    parameters=("affinity", "load", "bias", "top_k"),
    optional_parameters=frozenset(),
    allowed_imports=POLICY_IMPORTS,
    objective=Metric(
        name="kept_minus_violation",
        unit="",
        higher_is_better=True,
        description="gate mass kept - 0.1 x MaxVio on the next batch, mean over batches",
    ),
    metrics=(
        Metric(name="kept", unit="%", higher_is_better=True, description="gate mass of the chosen over the best"),
        Metric(name="max_vio", unit="", higher_is_better=False, description="largest over mean load, minus 1"),
        Metric(name="update_ms", unit="ms", higher_is_better=False, description="time of one update"),
    ),
    descriptors=(
        Descriptor(metric="kept", edges=(95.0, 97.0, 98.5)),
        Descriptor(metric="max_vio", edges=(0.4, 0.55, 0.8)),
    ),
    baseline="none",
    reference="the best biases for each batch, found with the batch itself known",
    limits=Limits(memory_bytes=2 << 30, load_seconds=5.0, reply_bytes=1 << 20),
    preload=("numpy",),
    race_after=3,
    checks=(TIME_GATE,),
    shown_by_kind=("kept", "max_vio"),
    best_known="65.1 ± 5.8 own, 60.5 ± 4.3 generated (both by hand)",
    cost="2 s, hidden 4 to 10 s",
)


class BiasControl(PolicyProblem):
    """Causal balance of expert loads.

    Args:
        draw: gives the streams of a split for a 32-byte seed.
        facts: what else a score depends on; see `PolicyProblem`.
    """

    relations = RELATIONS

    def __init__(self, draw: Callable[[Split, bytes], Sequence[BatchStream]], facts: Mapping[str, object]) -> None:
        constants = {"mu": MU, "gate": [LEAST_GATE_SECONDS, GATE_SECONDS, PATIENCE, COUNTED, CALL_SECONDS]}
        super().__init__(DECLARATION, FOLDER, {**facts, **constants})
        self._draw = draw

    def workloads(self, split: Split, seed: bytes) -> Sequence[BatchStream]:
        """Draw the streams of a block."""
        return self._draw(split, seed)

    def play(self, workload: BatchStream, guest: Guest) -> Measured:
        """Ask for biases after every batch, for the next one; see `evaluators.problem.Problem.play`.

        The first batch is routed without biases and is not scored: nothing was known before it.
        """
        stream = workload
        calls = len(stream.path) - 1
        gate = TimeGate(
            calls=calls,
            counted=int(COUNTED * calls),
            seconds=gate_seconds(stream.size, stream.experts),
            patience=PATIENCE,
            doing="updating",
            unit="step",
        )
        expected = bias_form(stream.experts)
        bias = np.zeros(stream.experts, dtype=np.float32)
        affinity = stream.affinity(0)
        found = [routed(affinity, bias, stream.top_k)]
        seconds: list[float] = []
        for batch in range(1, len(stream.path)):
            reply = guest.call(
                {"affinity": affinity, "load": found[-1].load, "bias": bias, "top_k": stream.top_k},
                timeout_seconds=CALL_SECONDS,
                expected=expected,
            )
            seconds.append(reply.seconds)
            gate.check(seconds, guest)
            # The candidate has decided: only now is there a next batch.
            bias = np.array(reply.value, dtype=np.float32)
            affinity = stream.affinity(batch)
            found.append(routed(affinity, bias, stream.top_k))
        scored = found[1:]
        return Measured(
            series=tuple(batch.objective for batch in scored),
            metrics={
                "kept": 100 * float(np.mean([batch.kept for batch in scored])),
                "max_vio": float(np.mean([batch.violation for batch in scored])),
                "update_ms": 1000 * float(np.mean(seconds)),
            },
        )

    def reference_objective(self, workload: BatchStream, open_seed: Callable[[str], Guest]) -> float:
        """J of the best biases found for each batch by itself; see `evaluators.bias_control.optimum`."""
        del open_seed
        return float(np.mean([found.objective for found in workload.optima]))

    def ceiling(self, workload: BatchStream) -> float:
        """The proven bound of `evaluators.bias_control.optimum`, mean over batches."""
        return float(np.mean([found.bound for found in workload.optima]))


def gate_seconds(size: int, experts: int) -> float:
    """How long one update may take for batches of so many tokens."""
    return LEAST_GATE_SECONDS + GATE_SECONDS * size * experts / 2**16
