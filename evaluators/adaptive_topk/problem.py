"""The problem ``adaptive_topk``: dynamic routing under a budget, call by call, with the load of GPUs in view."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import seeds
from evaluators.adaptive_topk.measures import Allowance, mask_form, routed
from evaluators.adaptive_topk.prices import Marks, even_load, solve
from evaluators.adaptive_topk.relations import RELATIONS
from evaluators.adaptive_topk.streams import TokenStream
from evaluators.gates import TIME_GATE, TimeGate
from evaluators.model import Metric, Split
from evaluators.policy import POLICY_IMPORTS, PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured
from sandbox import Limits

GATE_SECONDS = 80e-3
"""What every call may take, on average over the quicker half of a stream's. In an engine this runs before every layer
and may take microseconds; but Python is no kernel, and on a busy machine a call waits milliseconds for its turn."""

PATIENCE = 3.0
"""All calls of a stream may take so many gates on average."""

CALL_SECONDS = 3.0
"""A call that takes longer is ended; the gate refuses its program in any case."""

FOLDER = Path(seeds.__file__).parent / "adaptive_topk"

DECLARATION = Declaration(
    name="adaptive_topk",
    family="routing inside the layer",
    title="dynamic routing: how many experts, and which, every token visits under a budget",
    entry="select",
    parameters=("scores", "layer", "num_layers", "top_k", "num_gpus", "budget", "visits_left", "places_left", "most"),
    optional_parameters=frozenset(),
    allowed_imports=POLICY_IMPORTS,
    objective=Metric(
        name="value",
        unit="",
        higher_is_better=True,
        description="minus squared gate mass lost, mean over tokens, minus 0.05 x (busiest GPU / even load - 1)",
    ),
    metrics=(
        Metric(name="kept", unit="%", higher_is_better=True, description="gate mass kept, mean over tokens"),
        Metric(name="lost_rms", unit="%", higher_is_better=False, description="gate mass lost, root mean square"),
        Metric(name="peak", unit="", higher_is_better=False, description="busiest GPU over an even load at budget"),
        Metric(name="spent", unit="%", higher_is_better=False, description="visits, of the budget"),
        Metric(name="select_ms", unit="ms", higher_is_better=False, description="time of one call"),
    ),
    descriptors=(
        Descriptor(metric="peak", edges=(1.4, 1.6, 1.8)),
        Descriptor(metric="spent", edges=(97.0, 99.5)),
    ),
    baseline="topk",
    reference="prices of visits and GPUs found by an optimiser that has seen the whole stream",
    limits=Limits(memory_bytes=2 << 30, load_seconds=5.0, reply_bytes=4 << 20),
    preload=("numpy",),
    race_after=4,
    checks=(TIME_GATE,),
    shown_by_kind=("kept", "lost_rms", "peak", "spent"),
    best_known="31.5 ± 2.3 own (seed); 74.8 ± 1.9 own (by hand)",
    cost="1 s, hidden 2 s",
)


class AdaptiveTopK(PolicyProblem):
    """Dynamic routing under a budget.

    Args:
        draw: gives the streams of a split for a 32-byte seed.
        facts: what defines those streams; see `PolicyProblem`.
    """

    relations = RELATIONS

    def __init__(self, draw: Callable[[Split, bytes], Sequence[TokenStream]], facts: Mapping[str, object]) -> None:
        super().__init__(DECLARATION, FOLDER, facts)
        self._draw = draw
        self._solved: tuple[TokenStream, Marks] | None = None

    def workloads(self, split: Split, seed: bytes) -> Sequence[TokenStream]:
        """Draw the streams of a block."""
        return self._draw(split, seed)

    def play(self, workload: TokenStream, guest: Guest) -> Measured:
        """Ask for the visits of every call; see `evaluators.problem.Problem.play`."""
        calls, tokens, experts = workload.calls.shape
        even, left, places = even_load(workload), workload.visits, workload.places
        gate = TimeGate(
            calls=calls,
            counted=math.ceil(calls / 2),
            seconds=GATE_SECONDS,
            patience=PATIENCE,
            doing="selecting",
            unit="call",
        )
        found, seconds = [], []
        for number in range(calls):
            most = min(workload.most_of_call, left - (places - tokens))
            reply = guest.call(
                {
                    "scores": workload.calls[number],
                    "layer": number % workload.layers,
                    "num_layers": workload.layers,
                    "top_k": workload.top_k,
                    "num_gpus": workload.gpus,
                    "budget": workload.budget,
                    "visits_left": left,
                    "places_left": places,
                    "most": most,
                },
                timeout_seconds=CALL_SECONDS,
                expected=mask_form(Allowance(tokens=tokens, experts=experts, top_k=workload.top_k, visits=most)),
            )
            seconds.append(reply.seconds)
            gate.check(seconds, guest)
            found.append(routed(workload.mass[number], reply.value != 0, workload.gpus, even))
            left, places = left - found[-1].visits, places - tokens
        return Measured(
            series=tuple(each.objective for each in found),
            metrics={
                "kept": 100 * float(np.mean([each.kept for each in found])),
                "lost_rms": 100 * math.sqrt(float(np.mean([each.lost for each in found]))),
                "peak": float(np.mean([each.peak for each in found])),
                "spent": 100 * sum(each.visits for each in found) / workload.visits,
                "select_ms": 1000 * float(np.mean(seconds)),
            },
        )

    def reference_objective(self, workload: TokenStream, open_seed: Callable[[str], Guest]) -> float:
        """J of the best solution that the prices gave."""
        del open_seed
        return self._marked(workload).reference

    def ceiling(self, workload: TokenStream) -> float:
        """The proven bound of `evaluators.adaptive_topk.prices`."""
        return self._marked(workload).bound

    def _marked(self, workload: TokenStream) -> Marks:
        """Reference and bound come of one computation: that of the last stream is kept."""
        if self._solved is None or self._solved[0] is not workload:
            self._solved = workload, solve(workload)
        return self._solved[1]
