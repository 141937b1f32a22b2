"""The problem ``expert_cache``: keep and fetch the right experts on a GPU that cannot hold them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import seeds
from evaluators.expert_cache.belady import belady_stalls, least_stall_seconds
from evaluators.expert_cache.cache import ExpertCache
from evaluators.expert_cache.measures import metrics_of, series_of, share_of, value_form
from evaluators.expert_cache.relations import RELATIONS
from evaluators.expert_cache.session import Session
from evaluators.gates import TIME_GATE, TimeGate
from evaluators.model import Metric, Split
from evaluators.policy import POLICY_IMPORTS, PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured
from sandbox import Limits

TIMEOUT_SECONDS = 5.0
"""For a single call: the gate holds for the mean, and of thousands of calls some meet a hiccup of the machine."""

GATE_SHARE = 0.5
"""The gate holds for the mean of so many of a session's calls, the quickest: most of a short call is waiting for a
processor where the machine is busy."""

PATIENCE = 4.0
"""All calls together may take so many gates each."""

GATE_EVERY = 16
"""The gate is checked after every so many calls."""

FOLDER = Path(seeds.__file__).parent / "expert_cache"

DECLARATION = Declaration(
    name="expert_cache",
    family="expert offloading",
    title="which experts a GPU keeps and fetches ahead when it cannot hold them all",
    entry="value",
    parameters=(
        "step",
        "layer",
        "ids",
        "weights",
        "guess",
        "state",
        "load_seconds",
        "compute_seconds",
    ),
    optional_parameters=frozenset(),
    allowed_imports=POLICY_IMPORTS,
    objective=Metric(
        name="hidden",
        unit="",
        higher_is_better=True,
        description="1 - time that the GPU waits for experts / that time without any cache",
    ),
    metrics=(
        Metric(name="hits", unit="%", higher_is_better=True, description="needed experts that were cached"),
        Metric(name="moved", unit="%", higher_is_better=False, description="bytes loaded / bytes needed"),
        Metric(name="overlap", unit="%", higher_is_better=True, description="link time that nobody waited for"),
        Metric(name="stall_ms", unit="ms", higher_is_better=False, description="waiting per forward pass"),
        Metric(name="call_us", unit="us", higher_is_better=False, description="median of one call, channel included"),
    ),
    descriptors=(
        Descriptor(metric="overlap", edges=(1.0, 15.0, 30.0)),
        Descriptor(metric="hits", edges=(50.0, 55.0, 60.0)),
    ),
    baseline="lru",
    reference="Belady's rule with the future known, fetching ahead what is needed next while the link is free",
    limits=Limits(memory_bytes=2 << 30, load_seconds=5.0, reply_bytes=4 << 20),
    preload=("numpy",),
    race_after=3,
    checks=(TIME_GATE,),
    shown_by_kind=("hits", "moved", "overlap"),
    best_known="15.8 ± 3.9 own (seed); 29.7 ± 4.5 generated (by hand)",
    cost="5 s",
)


class ExpertCacheProblem(PolicyProblem):
    """Expert offloading.

    Args:
        draw: gives the sessions of a split for a 32-byte seed.
        facts: all that decides what the sessions are.
    """

    relations = RELATIONS

    def __init__(self, draw: Callable[[Split, bytes], Sequence[Session]], facts: dict[str, object]) -> None:
        super().__init__(DECLARATION, FOLDER, facts)
        self._draw = draw

    def workloads(self, split: Split, seed: bytes) -> Sequence[Session]:
        """Draw the sessions of a block."""
        return self._draw(split, seed)

    def play(self, workload: Session, guest: Guest) -> Measured:
        """Ask for every expert's value at every visit, and do as it says; see `evaluators.problem.Problem.play`."""
        session, cache, expected = workload, ExpertCache(workload), value_form(workload)
        served, seconds = [], []
        calls = len(session.visits)
        gate = TimeGate(
            calls=calls,
            counted=math.ceil(GATE_SHARE * calls),
            seconds=session.gate_seconds,
            patience=PATIENCE,
            doing="deciding",
            unit="call",
        )
        for number, visit in enumerate(session.visits):
            reply = guest.call(
                {
                    "step": visit.step,
                    "layer": visit.layer,
                    "ids": visit.ids,
                    "weights": visit.weights,
                    "guess": visit.guess,
                    "state": cache.state,
                    "load_seconds": session.load_seconds,
                    "compute_seconds": visit.compute_seconds,
                },
                timeout_seconds=TIMEOUT_SECONDS,
                expected=expected,
            )
            served.append(cache.serve(visit, session.needed[number], reply.value))
            seconds.append(reply.seconds)
            if number % GATE_EVERY == GATE_EVERY - 1 or number == calls - 1:
                gate.check(seconds, guest)
        stalls = np.array([each.stall_seconds for each in served])
        return Measured(series=series_of(session, stalls), metrics=metrics_of(session, served, seconds))

    def reference_objective(self, workload: Session, open_seed: Callable[[str], Guest]) -> float:
        """J of Belady's rule with fetching ahead; no seed is asked."""
        del open_seed
        return share_of(workload, float(belady_stalls(workload, ahead=True).sum()))

    def ceiling(self, workload: Session) -> float:
        """J of the least stall that any policy can have; see `belady.least_stall_seconds`."""
        return share_of(workload, least_stall_seconds(workload))
