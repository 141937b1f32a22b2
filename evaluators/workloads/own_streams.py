"""Streams of expert loads cut from the project's own traces.

For each model and regime as many streams as there are draws; the seed picks their domains, the moments at which these
change, and the order of the sequences. Windows are made of whole sequences, and no sequence comes twice in a stream.
Hidden streams run on other machines, meet a domain that the other splits never see, and fall into pieces of random
length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluators.digests import facts_digest
from evaluators.model import Split
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.own import FOLDER, MODELS, OWN_VERSION, deal_own, read_own
from evaluators.workloads.stream import LoadStream
from evaluators.workloads.trace_files import RoutedSequence, Trace, TraceError
from evaluators.workloads.traces import FEWEST_WINDOWS, TraceOptions, count_windows, schedule

# Raise with every change of what a seed gives: scores of different versions never compare.
OWN_STREAMS_VERSION = 1

_PIECES = 3
_SHORTEST_PIECE, _LONGEST_PIECE = 0.15, 0.5

_Pools = Mapping[str, Sequence[RoutedSequence]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPlan:
    """The streams of one split: every regime on every machine, for each model.

    Args:
        regimes: ``stationary`` (one domain), ``drifting`` and ``abrupt`` (from one to another), ``pieces`` (three
            domains for random lengths).
        machines: what holds the experts, and how many windows there are.
        draws: streams of each kind.
    """

    regimes: tuple[str, ...]
    machines: tuple[TraceOptions, ...]
    draws: int


_EIGHT_GPUS = TraceOptions(num_gpus=8, num_slots=80, warm_windows=4, scored_windows=12)
PLANS: Mapping[Split, OwnPlan] = {
    Split.TRAIN: OwnPlan(regimes=("stationary", "drifting", "abrupt"), machines=(_EIGHT_GPUS,), draws=2),
    Split.VALIDATION: OwnPlan(
        regimes=("drifting", "abrupt"),
        machines=(_EIGHT_GPUS, dataclasses.replace(_EIGHT_GPUS, num_gpus=16, num_nodes=2)),
        draws=2,
    ),
    Split.HIDDEN: OwnPlan(
        regimes=("drifting", "pieces"),
        machines=(
            dataclasses.replace(_EIGHT_GPUS, num_slots=72, scored_windows=16),
            dataclasses.replace(_EIGHT_GPUS, num_gpus=16, num_nodes=2, scored_windows=16),
            dataclasses.replace(_EIGHT_GPUS, num_gpus=32, num_nodes=4, num_slots=96, scored_windows=16),
        ),
        draws=3,
    ),
}
"""What a block is made of, by split."""


class OwnStreams:
    """Draws blocks of streams from the project's own traces.

    Args:
        folder: where the traces are.

    Raises:
        TraceError: they are not there, or cannot be used.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._traces = {model: read_own(model, folder) for model in MODELS}

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over the files and all rules by which streams are made."""
        facts = {
            "versions": [OWN_VERSION, OWN_STREAMS_VERSION],
            "files": {model: trace.digest for model, trace in self._traces.items()},
            "plans": {split.value: dataclasses.asdict(plan) for split, plan in PLANS.items()},
        }
        return facts_digest(facts)

    def draw(self, split: Split, seed: bytes) -> list[LoadStream]:
        """The streams of one split for a block's 32-byte secret; their names never depend on it."""
        plan = PLANS[split]
        own_seed = derive_seed(seed, f"own/{split.value}")
        return [
            _stream(trace, deal_own(trace, split), f"{model}/{regime}", machine, number, own_seed)
            for number in range(plan.draws)
            for model, trace in self._traces.items()
            for machine in plan.machines
            for regime in plan.regimes
        ]


def _stream(trace: Trace, pools: _Pools, kind: str, machine: TraceOptions, number: int, seed: bytes) -> LoadStream:
    """Draw one stream; its seed derives from its name."""
    slots = machine.slots(trace.experts)
    stratum = f"{kind}/{machine.num_gpus}gpu/{slots}"
    name = f"{stratum}/{number}"
    rng = random_generator(derive_seed(seed, name))
    fewest = 2 * FEWEST_WINDOWS
    usable = {domain: pool for domain, pool in pools.items() if len(pool) >= fewest}
    regime = kind.rpartition("/")[2]
    wanted = {"stationary": 1, "pieces": _PIECES}.get(regime, 2)
    if len(usable) < wanted:
        counts = {domain: len(pool) for domain, pool in pools.items()}
        raise TraceError(
            f"own traces: {regime} streams need {wanted} domains of {fewest} sequences, there are {counts}"
        )
    chosen = [sorted(usable)[index] for index in rng.permutation(len(usable))[:wanted]]
    if regime == "pieces":
        members = _pieces([usable[domain] for domain in chosen], rng)
    else:
        members = schedule(f"/{regime}", [usable[domain] for domain in chosen], rng)
    loads = count_windows(members, trace, machine)
    whole = machine.warm_windows + machine.scored_windows
    return LoadStream(
        name=name,
        loads=loads,
        num_slots=slots,
        num_gpus=machine.num_gpus,
        num_nodes=machine.num_nodes,
        warm_windows=machine.warm_windows if len(loads) == whole else len(loads) // 4,
        gate_seconds=machine.gate_seconds,
        stratum=stratum,
    )


def _pieces(pools: Sequence[Sequence[RoutedSequence]], rng: np.random.Generator) -> list[tuple[float, RoutedSequence]]:
    """Domains in turn for random shares of the time, with sequences at one rate throughout."""
    shares = np.zeros(len(pools))
    while shares.min() < _SHORTEST_PIECE or shares.max() > _LONGEST_PIECE:
        shares = rng.dirichlet(np.full(len(pools), 2.0))
    rate = min(len(pool) for pool in pools) / _LONGEST_PIECE
    members: list[tuple[float, RoutedSequence]] = []
    for pool, share, start in zip(pools, shares, np.cumsum(shares) - shares, strict=True):
        order = rng.permutation(len(pool))[: max(1, round(rate * share))]
        moments = start + share * (np.arange(len(order)) + 0.5) / len(order)
        members.extend((float(moment), pool[index]) for moment, index in zip(moments, order, strict=True))
    return members
