"""Any verdict reads back exactly."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.archive import Archive
from db.records import ArmKey, NewCandidate, Planned, Purpose, RunRecord, VainPulls
from evaluators.model import Evaluation, Outcome, Split, WorkloadResult

finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
results = st.builds(
    WorkloadResult,
    name=words,
    objective=finite,
    baseline=finite,
    reference=finite,
    ceiling=finite,
    share=st.floats(-1e100, 1e100),
    stderr=st.floats(0, 1e100),
    metrics=st.dictionaries(words, finite, max_size=3),
)
common = {
    "problem": st.just("eplb"),
    "split": st.sampled_from(Split),
    "block": st.integers(0, 2**31 - 1),
    "digest": words,
    "metrics": st.dictionaries(words, finite, max_size=3),
    "seconds": st.floats(0, 1e6),
    "host": st.dictionaries(words, words, max_size=3),
    "log": words,
}
ok_verdicts = st.builds(
    Evaluation,
    **common,
    outcome=st.just(Outcome.OK),
    score=finite,
    stderr=finite,
    low=finite,
    high=finite,
    workloads=st.lists(results, min_size=1, max_size=4).map(tuple),
)
failed = {**common, "reason": words.filter(bool), "workloads": st.lists(results, max_size=3).map(tuple)}
failures = st.builds(
    Evaluation,
    **failed,
    outcome=st.sampled_from([outcome for outcome in Outcome if outcome is not Outcome.OK]),
)
raced_out = st.builds(Evaluation, **failed, outcome=st.just(Outcome.STOPPED), spared=st.integers(0, 2**31 - 1))


def bits(value: object) -> object:
    """A value in which -0.0 and 0.0 differ."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(bits(item) for item in value)
    if isinstance(value, Evaluation | WorkloadResult):
        return {name: bits(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(verdict=st.one_of(ok_verdicts, failures, raced_out))
def test_any_verdict_reads_back_bit_for_bit(
    archive: Archive,
    run: RunRecord,
    new_candidate: Callable[..., NewCandidate],
    verdict: Evaluation,
) -> None:
    number = archive.run_by_id(run.id).candidates
    plan = Planned(number=number, purpose=Purpose.CONFIRM, split=verdict.split, block=verdict.block)
    archive.record(archive.register(run.id, new_candidate(number), plan), verdict)
    (record,) = archive.evaluations(run.id, number)
    assert record.planned == plan
    assert bits(record.evaluation) == bits(verdict)


names = st.text(max_size=12)  # whatever a model may be called
arm_keys = st.tuples(names, names, names, names)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arm=st.none() | arm_keys,
    refused=st.lists(
        st.builds(
            VainPulls,
            arm=arm_keys,
            times=st.integers(1, 2**53),
            tokens=st.integers(0, 2**53),
            cost=st.floats(0, 1e300, allow_nan=False),
        ),
        max_size=3,
    ).map(tuple),
    tokens=st.integers(0, 2**53),
    cost=st.floats(0, 1e9),
)
def test_what_a_candidate_came_of_reads_back_exactly(
    archive: Archive,
    run: RunRecord,
    new_candidate: Callable[..., NewCandidate],
    arm: ArmKey | None,
    refused: tuple[VainPulls, ...],
    tokens: int,
    cost: float,
) -> None:
    number = archive.run_by_id(run.id).candidates
    new = replace(new_candidate(number), arm=arm, refused=refused, tokens=tokens, cost=cost)
    archive.register(run.id, new, Planned(number=number, purpose=Purpose.SEARCH, split=Split.TRAIN, block=0))
    read = archive.candidate(run.id, number)
    assert (read.arm, read.refused, read.tokens, bits(read.cost)) == (arm, refused, tokens, bits(cost))
