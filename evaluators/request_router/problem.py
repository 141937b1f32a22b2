"""The problem ``request_router``: name the serving instance for each request, on a stale view of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import seeds
from evaluators.gates import TIME_GATE, TimeGate
from evaluators.model import Metric, Split
from evaluators.policy import POLICY_IMPORTS, PolicyProblem
from evaluators.problem import Declaration, Descriptor, Guest, Measured
from evaluators.request_router.bounds import ceiling
from evaluators.request_router.measures import LATENESS_CAP, LATENESS_PRICE, choice_form, metrics, series
from evaluators.request_router.oracle import ideal_objective
from evaluators.request_router.relations import RELATIONS
from evaluators.request_router.service import View, serve
from evaluators.request_router.traffic import Request, Traffic
from sandbox import Limits

GATE_SECONDS = 0.1
"""Mean time of the quicker half of the calls. Good routers need far less; this ends what would never end."""

CALL_SECONDS = 5.0
"""Time of any one call, garbage collection and a busy machine included."""

PATIENCE = 4.0
"""All calls together may take so many gates each."""

GATE_EVERY = 16
"""The gate is looked at after so many calls, so that a hopeless program ends early."""

FOLDER = Path(seeds.__file__).parent / "request_router"

DECLARATION = Declaration(
    name="request_router",
    family="request routing",
    title="which serving instance gets a request: cached prefixes against load",
    entry="route",
    parameters=(
        "now_seconds",
        "age_seconds",
        "input_tokens",
        "blocks",
        "view",
        "costs",
        "objective_seconds",
    ),
    optional_parameters=frozenset(),
    allowed_imports=POLICY_IMPORTS,
    objective=Metric(
        name="value",
        unit="",
        higher_is_better=True,
        description="share of requests in time minus 0.05 x time limits to the first token",
    ),
    metrics=(
        Metric(name="goodput", unit="%", higher_is_better=True, description="requests whose first token is in time"),
        Metric(name="p90_ttft", unit="limits", higher_is_better=False, description="90 % of times to first token"),
        Metric(name="p50_ttft", unit="limits", higher_is_better=False, description="median time to first token"),
        Metric(name="tpot_ms", unit="ms", higher_is_better=False, description="mean time per further token"),
        Metric(name="hit", unit="%", higher_is_better=True, description="prompt tokens found cached"),
        Metric(name="route_us", unit="us", higher_is_better=False, description="mean time of a call, channel included"),
    ),
    descriptors=(
        Descriptor(metric="hit", edges=(25.0, 35.0, 45.0)),
        Descriptor(metric="p50_ttft", edges=(0.1, 0.2, 0.4)),
    ),
    baseline="cache_aware",
    reference="one endless cache shared by all instances, each request to where its first token truly comes soonest",
    limits=Limits(load_seconds=5.0),
    preload=("numpy",),
    race_after=4,
    checks=(TIME_GATE,),
    shown_by_kind=("goodput", "hit"),
    best_known="69 ± 19 (by hand)",
    cost="4 s",
)

FACTS: Mapping[str, object] = {
    "lateness_price": LATENESS_PRICE,
    "lateness_cap": LATENESS_CAP,
    "gate_seconds": GATE_SECONDS,
    "call_seconds": CALL_SECONDS,
    "patience": PATIENCE,
    "model": 1,
}
"""What decides what a score means, beside the workloads; ``model`` counts changes of the serving model."""


class RequestRouter(PolicyProblem):
    """Request routing.

    Args:
        draw: gives the traffic of a split for a 32-byte seed.
        workloads: digest of its definition.
    """

    relations = RELATIONS

    def __init__(self, draw: Callable[[Split, bytes], Sequence[Traffic]], workloads: str) -> None:
        super().__init__(DECLARATION, FOLDER, {**FACTS, "workloads": workloads})
        self._draw = draw

    def workloads(self, split: Split, seed: bytes) -> Sequence[Traffic]:
        """Draw the traffic of a block."""
        return self._draw(split, seed)

    def play(self, workload: Traffic, guest: Guest) -> Measured:
        """Ask for an instance for every request; see `evaluators.problem.Problem.play`."""
        asking = _Asking(workload, guest)
        served = serve(workload, asking.choose)
        measured = metrics(workload, served)
        measured["route_us"] = 1e6 * sum(asking.seconds) / len(asking.seconds)
        return Measured(series=series(workload, served), metrics=measured)

    def reference_objective(self, workload: Traffic, open_seed: Callable[[str], Guest]) -> float:
        """J of an ideal service; see `evaluators.request_router.oracle`."""
        del open_seed
        return ideal_objective(workload)

    def ceiling(self, workload: Traffic) -> float:
        """See `evaluators.request_router.bounds`."""
        return ceiling(workload)


class _Asking:
    """Asks a program for one instance after another, and keeps the time."""

    def __init__(self, traffic: Traffic, guest: Guest) -> None:
        self._traffic = traffic
        self._guest = guest
        self._form = choice_form(len(traffic.fleet))
        self._costs = traffic.costs.for_reading()
        self.seconds: list[float] = []
        calls = len(traffic.requests)
        self._gate = TimeGate(
            calls=calls,
            counted=math.ceil(calls / 2),
            seconds=GATE_SECONDS,
            patience=PATIENCE,
            doing="routing",
            unit="request",
        )

    def choose(self, request: Request, view: View) -> int:
        """One instance. Of the request only what a router can know is shown, and never its answer's length."""
        reply = self._guest.call(
            {
                "now_seconds": request.arrival_seconds,
                "age_seconds": view.age_seconds,
                "input_tokens": request.input_tokens,
                "blocks": request.hashes(),
                "view": view.figures,
                "costs": self._costs,
                "objective_seconds": self._traffic.objective_seconds,
            },
            timeout_seconds=CALL_SECONDS,
            expected=self._form,
        )
        self.seconds.append(reply.seconds)
        if len(self.seconds) % GATE_EVERY == 0 or len(self.seconds) == len(self._traffic.requests):
            self._gate.check(self.seconds, self._guest)
        return int(reply.value[0])
