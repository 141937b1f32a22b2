"""Steps made of recorded routing: whose experts the tokens of real sequences visited, at a batch size of our choice.

Every step takes one layer. Every source GPU is given a few sequences, all of one domain or each of a domain of its own;
which experts their tokens visited are its shares, and the step's tokens are drawn from these, because recorded traces
are far shorter than a batch. The layer's widths are those of DeepSeek-V2-Lite, whatever the trace.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluators.token_dispatch.hardware import H100, Model
from evaluators.token_dispatch.steps import Deployment, DispatchStream, StepLaw, draw_load, make_step, owners
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.trace_files import RoutedSequence, Trace

# Raise with every change of the rules above: scores of different versions never compare.
ROUTED_VERSION = 1

SEQUENCES = 4
"""How many sequences a source GPU is given."""

DRAWS = 2
"""How often each kind of stream is drawn."""

STEPS = 6
"""Steps of a stream."""

LAWS = (StepLaw(tokens_low=4_000, tokens_high=32_000), StepLaw(tokens_low=32_000, tokens_high=256_000))
"""How many tokens a step has, and how evenly they come; popularity is the trace's."""

HIDDEN_SIZE, INTERMEDIATE_SIZE = 2048, 1408


def routed_deployments(experts: int, top_k: int) -> tuple[Deployment, ...]:
    """The machines that a trace is replayed on: one node, and two."""
    model = Model(experts=experts, top_k=top_k, hidden=HIDDEN_SIZE, intermediate=INTERMEDIATE_SIZE)
    return (
        Deployment(model=model, gpu=H100, num_gpus=8, num_nodes=1, label="8xH100"),
        Deployment(model=model, gpu=H100, num_gpus=16, num_nodes=2, label="16xH100"),
    )


def routed_streams(trace: Trace, seed: bytes) -> list[DispatchStream]:
    """Streams of steps from one split's sequences.

    Args:
        trace: the split's sequences; other splits share none.
        seed: 32 bytes; decides on layers, domains, sequences and tokens.
    """
    streams = []
    for draw in range(DRAWS):
        for deployment in routed_deployments(trace.experts, trace.top_k):
            for law in LAWS:
                kind = f"{deployment.label}/{law.tokens_low}-{law.tokens_high}"
                rng = random_generator(derive_seed(seed, f"token_dispatch/routed/{kind}/{draw}"))
                owner = owners(deployment, rng)
                steps = tuple(
                    make_step(deployment, owner, draw_load(deployment, law, rng, _shares(trace, deployment, rng)))
                    for _ in range(STEPS)
                )
                streams.append(DispatchStream(name=f"{kind}/{draw}", stratum=kind, steps=steps))
    return streams


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
