"""The workloads of each split: what traffic meets which fleet.

Train shows three kinds of traffic and a mix, the last on a fleet in which an instance slows down; validation has other
sizes and loads. Hidden has mixes of its own, fleets of 4 to 32 instances of unequal speed, slow and restarting
instances, older views and other time limits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluators.model import Split
from evaluators.request_router.bounds import least_work
from evaluators.request_router.sessions import AGENT, BATCH, CONVERSATION, DOCUMENT, Arrivals, Kind, draw_requests
from evaluators.request_router.traffic import Costs, Request, Speeds, Traffic
from evaluators.workloads.generator import derive_seed

VERSION = 1
"""Raised with every change of what a seed draws."""

COSTS = Costs(fixed=0.02, linear=1e-4, quadratic=1.9e-9, interference=0.01, step=0.015, step_request=0.0004)
"""A dense model of 70 billion weights in 16 bits (80 layers, width 8,192) on four GPUs of 989 TFLOP/s and 3.35 TB/s.

One token takes 140 GFLOP in the projections, 10,000 tokens a second at 35 % of the peak; attention takes 4 x 80 x 8,192
= 2.6 MFLOP for each pair of tokens, 1.9e-5 as much. A decoding step reads 140 GB of weights, and for each request some
4 GB of its KV cache (327 kB a token), at 70 % of the bandwidth. `Costs.interference` is a model and not measured.
"""

CACHE_BLOCKS = 1000
"""512,000 tokens: the 168 GB that four GPUs of 80 GB have left of 320 GB."""

OBJECTIVE_SECONDS = 5.0
VIEW_SECONDS = 0.5

PILOT_REQUESTS = 300
"""Drawn first, to see how much work a request of this kind is."""

CALM = Arrivals(burst=2.0, burst_share=0.2, burst_seconds=8.0, swing=0.2, churn_seconds=0.0)
BURSTY = Arrivals(burst=4.0, burst_share=0.15, burst_seconds=6.0, swing=0.3, churn_seconds=40.0)
LONG_BURSTS = Arrivals(burst=2.5, burst_share=0.3, burst_seconds=20.0, swing=0.5, churn_seconds=25.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLaw:
    """How a fleet is drawn.

    Args:
        instances: how many.
        spread: speeds are uniform between 1 - spread and 1 + spread, scaled to a mean of 1.
        slow: how many go down to `slow_factor` of their speed for some stretch of the time.
        restarts: how many others stand still for a short while and come back with an empty cache.
        slow_factor: see there.
    """

    instances: int
    spread: float = 0.0
    slow: int = 0
    restarts: int = 0
    slow_factor: float = 0.4

    def draw(self, span_seconds: float, rng: np.random.Generator) -> tuple[Speeds, ...]:
        """Draw the speeds of all instances; incidents lie within the span."""
        factors = 1 + self.spread * rng.uniform(-1, 1, self.instances)
        factors /= factors.mean()
        struck = rng.permutation(self.instances)[: self.slow + self.restarts].tolist()
        fleet = []
        for instance, factor in enumerate(factors.tolist()):
            if instance not in struck:
                fleet.append(Speeds(factors=(factor,)))
                continue
            begin = span_seconds * rng.uniform(0.2, 0.7)
            if instance in struck[: self.slow]:
                end, level = begin + span_seconds * rng.uniform(0.15, 0.5), factor * self.slow_factor
            else:
                end, level = begin + rng.uniform(4.0, 12.0), 0.0
            fleet.append(Speeds(starts=(0.0, begin, end), factors=(factor, level, factor)))
        return tuple(fleet)


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One workload up to its seed.

    Args:
        name: unique within its split.
        stratum: shared by draws of one law; empty in a law itself, see `_draw`.
        kinds: kinds of sessions with their share of the requests.
        arrivals: how the rate moves.
        fleet: how the instances are drawn.
        load: least work of all requests over the fleet's capacity in the time from the first to the last.
        warm_requests: how many are served before anything is scored.
        scored_requests: how many are scored.
        cache_blocks: capacity of an instance's prefix cache.
        objective_seconds: time to first token that counts as good.
        view_seconds: how often the router's view is renewed.
        stretches: parts of the scored requests.
    """

    name: str
    stratum: str = ""
    kinds: tuple[tuple[float, Kind], ...]
    arrivals: Arrivals
    fleet: FleetLaw
    load: float
    warm_requests: int = 96
    scored_requests: int = 384
    cache_blocks: int = CACHE_BLOCKS
    objective_seconds: float = OBJECTIVE_SECONDS
    view_seconds: float = VIEW_SECONDS
    stretches: int = 16


EVERY_KIND = (CONVERSATION, AGENT, DOCUMENT, BATCH)


def mixed(*shares: float) -> tuple[tuple[float, Kind], ...]:
    """Kinds of sessions by their share of the requests: conversation, agent, document, batch."""
    return tuple((share / sum(shares), kind) for share, kind in zip(shares, EVERY_KIND, strict=True) if share)


def _draw(law: Definition, draw: int) -> Definition:
    """One draw of a law, which is a definition whose name is a label and whose stratum is not known yet."""
    stratum = f"{law.name}/{law.fleet.instances}"
    return dataclasses.replace(law, name=f"{stratum}/{draw}", stratum=stratum)


_TRAIN = (
    Definition(name="conversation", kinds=mixed(1, 0, 0, 0), arrivals=CALM, fleet=FleetLaw(instances=8), load=0.72),
    Definition(name="agent", kinds=mixed(0, 1, 0, 0), arrivals=BURSTY, fleet=FleetLaw(instances=6), load=0.68),
    Definition(name="document", kinds=mixed(0, 0, 1, 0), arrivals=CALM, fleet=FleetLaw(instances=10), load=0.62),
    Definition(
        name="mix",
        kinds=mixed(2, 2, 1, 1),
        arrivals=BURSTY,
        fleet=FleetLaw(instances=8, spread=0.2, slow=1),
        load=0.7,
    ),
)
_VALIDATION = (
    Definition(
        name="conversation",
        kinds=mixed(3, 0, 0, 1),
        arrivals=BURSTY,
        fleet=FleetLaw(instances=6, spread=0.2),
        load=0.62,
        warm_requests=128,
        scored_requests=512,
    ),
    Definition(
        name="agent",
        kinds=mixed(0, 4, 1, 0),
        arrivals=LONG_BURSTS,
        fleet=FleetLaw(instances=12),
        load=0.65,
        warm_requests=128,
        scored_requests=512,
    ),
    Definition(
        name="document",
        kinds=mixed(1, 0, 3, 0),
        arrivals=CALM,
        fleet=FleetLaw(instances=5, restarts=1),
        load=0.58,
        view_seconds=0.8,
        warm_requests=128,
        scored_requests=512,
    ),
    Definition(
        name="mix",
        kinds=mixed(1, 1, 1, 1),
        arrivals=LONG_BURSTS,
        fleet=FleetLaw(instances=16, spread=0.3, slow=1),
        load=0.65,
        warm_requests=128,
        scored_requests=512,
    ),
)
# Four draws of the hidden law for each fleet: shares of the kinds, how the rate moves, load, time limit, age of views.
_HIDDEN_LAWS = (
    ((4, 1, 1, 2), BURSTY, 0.62, 4.0, 0.3),
    ((1, 4, 1, 1), LONG_BURSTS, 0.62, 3.0, 1.0),
    ((1, 1, 4, 0), CALM, 0.62, 6.0, 0.5),
    ((1, 2, 1, 0), BURSTY, 0.68, 5.0, 2.0),
)
_HIDDEN_FLEETS = (
    ("even", FleetLaw(instances=4)),
    ("uneven", FleetLaw(instances=6, spread=0.4)),
    ("slow", FleetLaw(instances=10, spread=0.1, slow=2, slow_factor=0.35)),
    ("restarts", FleetLaw(instances=12, restarts=2)),
    ("all", FleetLaw(instances=20, spread=0.3, slow=2, restarts=1)),
    ("large", FleetLaw(instances=32, spread=0.1, restarts=1)),
)
_HIDDEN_REQUESTS = 640


def definitions(split: Split) -> tuple[Definition, ...]:
    """The workloads of a split, cheap ones first: each law twice, in hidden each fleet under four laws."""
    if split is not Split.HIDDEN:
        laws = _TRAIN if split is Split.TRAIN else _VALIDATION
        return tuple(_draw(law, draw) for draw in range(2) for law in laws)
    return tuple(
        _draw(
            Definition(
                name=label,
                kinds=mixed(*shares),
                arrivals=arrivals,
                fleet=fleet,
                load=load,
                objective_seconds=limit,
                view_seconds=age,
                warm_requests=_HIDDEN_REQUESTS // 4,
                scored_requests=_HIDDEN_REQUESTS,
            ),
            draw,
        )
        for label, fleet in _HIDDEN_FLEETS
        for draw, (shares, arrivals, load, limit, age) in enumerate(_HIDDEN_LAWS)
    )


def build(definition: Definition, seed: bytes, costs: Costs = COSTS) -> Traffic:
    """Draw one workload from its own 32-byte seed."""
    rng = np.random.default_rng(list(seed))
    capacity = definition.load * definition.fleet.instances
    count = definition.warm_requests + definition.scored_requests
    kinds = definition.kinds
    pilot = draw_requests(kinds, definition.arrivals, capacity / 0.5, PILOT_REQUESTS, rng)
    rate = capacity * len(pilot) / sum(least_work(_traffic(definition, pilot, (Speeds(),), costs)))
    requests = draw_requests(kinds, definition.arrivals, rate, count, rng)
    # What is left of the load's deviation is taken out by the clock.
    work = sum(least_work(_traffic(definition, requests, (Speeds(),), costs)))
    first = requests[0].arrival_seconds
    stretch = work / capacity / (requests[-1].arrival_seconds - first)
    requests = [
        dataclasses.replace(request, arrival_seconds=(request.arrival_seconds - first) * stretch)
        for request in requests
    ]
    fleet = definition.fleet.draw(requests[-1].arrival_seconds, rng)
    return _traffic(definition, requests, fleet, costs)


def _traffic(definition: Definition, requests: Sequence[Request], fleet: tuple[Speeds, ...], costs: Costs) -> Traffic:
    scored = (len(requests) - definition.warm_requests) // definition.stretches * definition.stretches
    return Traffic(
        name=definition.name,
        stratum=definition.stratum,
        requests=tuple(requests[: definition.warm_requests + scored]),
        warm_requests=definition.warm_requests,
        stretches=definition.stretches,
        fleet=fleet,
        cache_blocks=definition.cache_blocks,
        costs=costs,
        objective_seconds=definition.objective_seconds,
        view_seconds=definition.view_seconds,
    )


def build_all(split: Split, seed: bytes) -> list[Traffic]:
    """Draw all workloads of a split, in the order of their definitions; each has a seed of its own."""
    return [
        build(definition, derive_seed(seed, f"{split.value}/{definition.name}")) for definition in definitions(split)
    ]
