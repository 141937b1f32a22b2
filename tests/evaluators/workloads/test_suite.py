from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from evaluators.model import Split
from evaluators.workloads.regimes import SIMPLE_REGIMES, Regime
from evaluators.workloads.suite import (
    DRAWS,
    GPT_OSS_64,
    K2_64,
    QWEN3_16,
    V2_LITE_8,
    V3_32,
    Deployment,
    StreamDefinition,
    SuiteConfig,
    build_stream,
    build_streams,
    default_suite,
    load_law,
    suite_digest,
)

SEED = bytes(range(32))
SUITE = default_suite()


def small_suite(**changes: object) -> SuiteConfig:
    def stream(name: str) -> StreamDefinition:
        shape = {"deployment": V2_LITE_8, "generator": load_law(V2_LITE_8), "regime": Regime.ABRUPT}
        return StreamDefinition(**{"name": name, "warm_windows": 1, "scored_windows": 2, **shape, **changes})

    both = (stream("one"), stream("two"))
    return SuiteConfig(train=both, validation=both, hidden=both)


@pytest.mark.parametrize("split", list(Split))
def test_every_definition_is_sound(split: Split) -> None:
    for stream in SUITE.of(split):
        assert stream.scored_windows == (24 if split is Split.HIDDEN else 24 // DRAWS)
        assert 4 <= stream.warm_windows <= 8
        assert stream.deployment.num_slots >= stream.deployment.experts
        assert stream.deployment.num_slots // stream.deployment.num_gpus >= 2


def test_train_crosses_two_shapes_with_four_regimes_and_begins_cheaply() -> None:
    streams = SUITE.train
    assert [stream.deployment for stream in streams[:4]] == [V2_LITE_8] * 3 + [V3_32]
    assert [stream.deployment for stream in streams[4:9]] == [V2_LITE_8] * 5
    assert len(streams) == 16
    drawn = Counter((stream.deployment, stream.regime) for stream in streams)
    assert drawn == {(machine, regime): DRAWS for machine in (V2_LITE_8, V3_32) for regime in SIMPLE_REGIMES}


@pytest.mark.parametrize("split", list(Split))
def test_every_kind_is_drawn_more_than_once_so_that_intervals_cover_the_draw(split: Split) -> None:
    drawn = Counter(stream.stratum for stream in SUITE.of(split))
    assert len(drawn) == {Split.TRAIN: 8, Split.VALIDATION: 8, Split.HIDDEN: 6}[split]
    assert set(drawn.values()) == {4 if split is Split.HIDDEN else DRAWS}
    assert sum(stream.scored_windows for stream in SUITE.of(split)) == 24 * (24 if split is Split.HIDDEN else 8)


def test_the_draws_of_a_kind_differ() -> None:
    by_name = {stream.name: stream for stream in build_streams(Split.TRAIN, SEED)}
    first, second = (by_name[f"26x64/8gpu/80/drifting/{draw}"] for draw in range(2))
    assert first.stratum == second.stratum == "26x64/8gpu/drifting"
    assert not np.array_equal(first.loads, second.loads)


def test_machines_that_differ_in_slots_alone_are_one_kind() -> None:
    thin = [stream for stream in SUITE.hidden if stream.deployment.num_gpus == 32 and stream.deployment.layers == 26]
    assert {stream.deployment.num_slots for stream in thin} == {64, 96, 128}
    assert {stream.stratum for stream in thin} == {"26x64/32gpu/piecewise"}


def test_hidden_is_of_another_kind() -> None:
    assert len(SUITE.hidden) == 24
    assert {stream.regime for stream in SUITE.hidden} == {Regime.PIECEWISE}
    seen = {stream.generator for stream in SUITE.train + SUITE.validation}
    assert not seen & {stream.generator for stream in SUITE.hidden}
    seen_drifts = {law.drift_sd for law in seen}
    assert seen_drifts != {stream.generator.drift_sd for stream in SUITE.hidden}
    assert {law.mix for law in seen}.isdisjoint({stream.generator.mix for stream in SUITE.hidden})
    machines = {stream.deployment for stream in SUITE.hidden}
    assert machines > {V2_LITE_8, V3_32, QWEN3_16, GPT_OSS_64, K2_64}
    assert {machine.num_slots // machine.num_gpus for machine in machines} >= {2, 3, 4}


def test_validation_asks_for_machines_that_neither_train_nor_hidden_has() -> None:
    def machines(split: Split) -> set[Deployment]:
        return {stream.deployment for stream in SUITE.of(split)}

    train, validation, hidden = (machines(split) for split in (Split.TRAIN, Split.VALIDATION, Split.HIDDEN))
    assert train < validation
    assert not (validation - train) & hidden
    assert {machine.num_slots // machine.num_gpus for machine in validation - train} == {3, 4, 5}
    drifts = [{stream.generator.drift_sd for stream in split} for split in (SUITE.train, SUITE.validation)]
    assert not drifts[0] & drifts[1]


def test_gates_lie_on_a_line_through_the_two_stated_shapes() -> None:
    assert V2_LITE_8.gate_seconds == 0.150
    assert V3_32.gate_seconds == 0.250
    assert 0.150 < GPT_OSS_64.gate_seconds < QWEN3_16.gate_seconds < 0.250 < K2_64.gate_seconds
    tiny = Deployment(layers=2, experts=8, top_k=2, num_slots=8, num_gpus=2, num_nodes=1)
    assert tiny.gate_seconds == 0.150


def test_train_streams_are_as_defined() -> None:
    streams = build_streams(Split.TRAIN, SEED)
    assert [stream.name for stream in streams] == [definition.name for definition in SUITE.train]
    assert {stream.loads.shape for stream in streams} == {(18, 26, 64), (18, 58, 256)}
    assert {stream.scored_windows for stream in streams} == {12}
    assert {(len(s.loads[0]), s.gate_seconds) for s in streams} == {(26, 0.150), (58, 0.250)}
    assert {(s.num_slots, s.num_gpus, s.num_nodes) for s in streams} == {(80, 8, 1), (288, 32, 4)}
    # Windows grow with the router, so that an expert's mean load is the same up to top_k.
    assert {float(stream.loads.mean()) for stream in streams} == {128 * 6.0, 128 * 8.0}


@pytest.mark.parametrize("deployment", [V2_LITE_8, GPT_OSS_64, QWEN3_16, K2_64])
def test_hidden_streams_can_be_drawn(deployment: Deployment) -> None:
    definition = next(stream for stream in SUITE.hidden if stream.deployment == deployment)
    stream = build_stream(definition, SEED)
    assert stream.loads.shape == (30, deployment.layers, deployment.experts)
    assert np.isfinite(stream.loads).all()


def test_streams_depend_on_seed_split_and_name_only() -> None:
    first, second = build_streams(Split.TRAIN, SEED, small_suite())
    again = build_streams(Split.TRAIN, SEED, small_suite())[0]
    np.testing.assert_array_equal(first.loads, again.loads)
    others = (second, build_streams(Split.HIDDEN, SEED, small_suite())[0])
    others += (build_streams(Split.TRAIN, bytes(32), small_suite())[0],)
    for other in others:
        assert not np.array_equal(first.loads, other.loads)
    whole = small_suite()
    alone = dataclasses.replace(whole, train=whole.train[1:])
    np.testing.assert_array_equal(build_streams(Split.TRAIN, SEED, alone)[0].loads, second.loads)


def test_the_digest_names_the_definitions() -> None:
    assert suite_digest() == suite_digest(default_suite())
    assert len(suite_digest()) == 16
    law = load_law(V2_LITE_8)
    digests = {
        suite_digest(),
        suite_digest(traces=("abc",)),
        suite_digest(traces=("abd",)),
        suite_digest(small_suite()),
        suite_digest(small_suite(scored_windows=3)),
        suite_digest(small_suite(regime=Regime.DRIFTING)),
        suite_digest(small_suite(generator=dataclasses.replace(law, hot_factor=2.0))),
        suite_digest(small_suite(deployment=dataclasses.replace(V2_LITE_8, num_slots=88))),
        suite_digest(dataclasses.replace(SUITE, hidden=SUITE.hidden[:-1])),
        suite_digest(dataclasses.replace(SUITE, train=SUITE.validation, validation=SUITE.train)),
    }
    assert len(digests) == 10


def test_unsound_definitions_are_refused() -> None:
    with pytest.raises(ValueError, match="slots >= experts"):
        dataclasses.replace(V2_LITE_8, num_slots=56)
    with pytest.raises(ValueError, match="gpus % nodes"):
        dataclasses.replace(V2_LITE_8, num_nodes=3)
    with pytest.raises(ValueError, match="differ in shape"):
        small_suite(deployment=V3_32)
    with pytest.raises(ValueError, match="at least one warm"):
        small_suite(warm_windows=0)
    with pytest.raises(ValueError, match="different names"):
        dataclasses.replace(SUITE, train=SUITE.train * 2)
    with pytest.raises(ValueError, match="different names"):
        dataclasses.replace(SUITE, train=())
