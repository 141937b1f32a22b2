"""Steps made of recorded routing: whose experts the tokens of real sequences visited, at a batch size of our choice.

Every step takes one layer. Every source GPU is given a few sequences, all of one domain or each of a domain of its own;
which experts their tokens visited are its shares, and the step's tokens are drawn from these, because recorded traces
are far shorter than a batch. The layer's widths are those of DeepSeek-V2-Lite, whatever the trace. A source of several
models gives each as many streams; hidden has machines and batch sizes of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from evaluators.model import Split
from evaluators.token_dispatch.hardware import B200, H100, H100_ETHERNET, H200, Gpu, Model
from evaluators.token_dispatch.steps import Deployment, DispatchStream, StepLaw, draw_load, make_step, owners
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.routes import RouteSource
from evaluators.workloads.trace_files import RoutedSequence, Trace, TraceError

# Raise with every change of the rules above: scores of different versions never compare.
ROUTED_VERSION = 2

SEQUENCES = 4
"""How many sequences a source GPU is given."""

DRAWS: Mapping[Split, int] = {Split.TRAIN: 2, Split.VALIDATION: 2, Split.HIDDEN: 4}
"""How often each kind of stream is drawn, over all models of the source together."""

STEPS: Mapping[Split, int] = {Split.TRAIN: 6, Split.VALIDATION: 6, Split.HIDDEN: 3}
"""Steps of a stream."""

_USUAL = (StepLaw(tokens_low=4_000, tokens_high=32_000), StepLaw(tokens_low=32_000, tokens_high=256_000))
LAWS: Mapping[Split, tuple[StepLaw, ...]] = {
    Split.TRAIN: _USUAL,
    Split.VALIDATION: _USUAL,
    Split.HIDDEN: (
        StepLaw(tokens_low=2_000, tokens_high=24_000, taste=3.0, uneven=0.5),
        StepLaw(tokens_low=24_000, tokens_high=256_000, taste=3.0, uneven=0.5),
    ),
}
"""How many tokens a step has, and how evenly they come; popularity is the trace's."""

MACHINES: Mapping[Split, tuple[tuple[Gpu, int, int, str], ...]] = {
    Split.TRAIN: ((H100, 8, 1, "8xH100"), (H100, 16, 2, "16xH100")),
    Split.VALIDATION: ((H200, 8, 1, "8xH200"), (H100, 16, 2, "16xH100")),
    Split.HIDDEN: ((B200, 8, 1, "8xB200"), (H100_ETHERNET, 16, 2, "16xH100-Ethernet"), (H200, 32, 4, "32xH200")),
}
"""GPU, GPUs, nodes and label of the machines; those with more GPUs than the trace has experts are left out."""

HIDDEN_SIZE, INTERMEDIATE_SIZE = 2048, 1408


def routed_deployments(split: Split, experts: int, top_k: int) -> tuple[Deployment, ...]:
    """The machines that a model of a trace is replayed on; hidden deals experts to GPUs at random."""
    model = Model(experts=experts, top_k=top_k, hidden=HIDDEN_SIZE, intermediate=INTERMEDIATE_SIZE)
    return tuple(
        Deployment(model=model, gpu=gpu, num_gpus=gpus, num_nodes=nodes, label=label, scattered=split is Split.HIDDEN)
        for gpu, gpus, nodes, label in MACHINES[split]
        if experts >= gpus
    )


def routed_streams(source: RouteSource, split: Split, seed: bytes) -> list[DispatchStream]:
    """Streams of steps from one split's sequences, in turns over the source's models.

    Args:
        source: of the routes.
        split: whose sequences; the splits share none.
        seed: 32 bytes; decides on layers, domains, sequences and tokens.

    Raises:
        TraceError: the split holds no sequence, or no machine fits the experts.
    """
    models = source.variants
    traces = [model.sequences(split, seed) for model in models]
    streams = []
    for draw in range(max(DRAWS[split], len(models))):
        trace = traces[draw % len(models)]
        for deployment in routed_deployments(split, trace.experts, trace.top_k):
            for law in LAWS[split]:
                kind = f"{deployment.label}/{law.tokens_low}-{law.tokens_high}"
                rng = random_generator(derive_seed(seed, f"token_dispatch/routed/{kind}/{draw}"))
                owner = owners(deployment, rng)
                steps = tuple(
                    make_step(deployment, owner, draw_load(deployment, law, rng, _shares(trace, deployment, rng)))
                    for _ in range(STEPS[split])
                )
                name = f"{kind}/{models[draw % len(models)].name}/{draw}"
                streams.append(DispatchStream(name=name, stratum=kind, steps=steps))
    if not streams:
        fewest = min(gpus for _, gpus, _, _ in MACHINES[split])
        raise TraceError(f"{source.name}: record a model of {fewest} experts or more, one for each GPU")
    return streams


def routed_facts() -> dict[str, object]:
    """All that decides what the streams of a trace are, beside the trace."""
    return {
        "version": ROUTED_VERSION,
        "draws": {split.value: count for split, count in DRAWS.items()},
        "laws": {split.value: [dataclasses.asdict(law) for law in laws] for split, laws in LAWS.items()},
        "machines": {
            split.value: [dataclasses.asdict(machine) for machine in routed_deployments(split, 64, 6)]
            for split in MACHINES
        },
        "sequences": SEQUENCES,
        "steps": {split.value: steps for split, steps in STEPS.items()},
    }


def _shares(trace: Trace, deployment: Deployment, rng: np.random.Generator) -> NDArray[np.float64]:
    """Each source GPU's shares of the experts in one layer, ``(gpus, experts)``."""
    layer = int(rng.integers(trace.layers))
    domains = list(trace.domains.values())
    common = domains[int(rng.integers(len(domains)))] if rng.random() < 0.5 else None
    counts = np.zeros((deployment.num_gpus, trace.experts))
    for gpu in range(deployment.num_gpus):
        pool: tuple[RoutedSequence, ...] = common or domains[int(rng.integers(len(domains)))]
        for index in rng.integers(len(pool), size=SEQUENCES):
            counts[gpu] += np.bincount(pool[index].ids[:, layer].ravel(), minlength=trace.experts)
    shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return shares
