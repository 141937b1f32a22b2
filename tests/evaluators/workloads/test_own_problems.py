"""The project's own traces as they ship, and the problems that are measured on them by default."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from evaluators.model import Split
from evaluators.registry import load_problem
from evaluators.workloads.choice import OWN, TRACED
from evaluators.workloads.own import HIDDEN_DOMAIN, MODELS, deal_own, read_own, read_scores


@pytest.mark.parametrize("model", MODELS)
def test_the_data_are_those_of_a_model_with_64_experts_in_eight_layers(model: str) -> None:
    trace = read_own(model)
    assert (trace.layers, trace.experts, trace.top_k) == (8, 64, 6)
    assert HIDDEN_DOMAIN in trace.domains
    assert len(trace.domains) == 5
    for split in Split:
        assert all(len(sequences) >= 8 for sequences in deal_own(trace, split).values())
    for sequences in trace.domains.values():
        assert all((np.diff(sequence.ids.astype(int), axis=2) > 0).all() for sequence in sequences)


@pytest.mark.parametrize("model", MODELS)
def test_affinities_and_biases_lead_to_the_experts_that_were_recorded(model: str) -> None:
    trace, scores = read_own(model), read_scores(model)
    for domain, affinity in scores.affinity.items():
        ids = np.concatenate([sequence.ids for sequence in trace.domains[domain]])[scores.tokens[domain]]
        chosen = np.zeros(affinity.shape[1:], dtype=np.bool_)
        np.put_along_axis(chosen, ids[:, scores.layer].astype(int), True, axis=2)
        best = np.argsort(-(affinity[-1].astype(np.float32) + scores.bias[-1]), axis=2)[:, :, :6]
        agreeing = np.take_along_axis(chosen, best, axis=2).sum(axis=2)
        assert agreeing.mean() > 5.95, "rounding may swap neighbours and nothing else"


@pytest.mark.parametrize("name", [*sorted(TRACED - {"eplb"}), "eplb_speed"])
def test_every_block_meets_both_models_equally_often(name: str) -> None:
    problem = load_problem(name, OWN)
    for split in Split:
        workloads = problem.workloads(split, bytes(32))
        names = [workload.name for workload in workloads]
        assert len(set(names)) == len(names)
        drawn = Counter(workload.stratum for workload in workloads)
        if name == "eplb_speed":  # its kinds name the model, and are timed again and again instead of drawn again
            assert sum("own-loss_free" in kind for kind in drawn) * 2 == len(drawn)
        else:
            assert all(count % len(MODELS) == 0 for count in drawn.values())
            kinds = Counter(model for model in MODELS for one in names if model in one)
            assert name == "expert_cache" or kinds["loss_free"] == kinds["unbalanced"] == len(names) // 2
