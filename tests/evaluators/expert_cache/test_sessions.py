"""What a session tells before its time."""

from __future__ import annotations

import numpy as np

from evaluators.expert_cache.laws import Law
from evaluators.expert_cache.sessions import make_session
from evaluators.workloads.trace_files import RoutedSequence, Trace

LAW = Law(layers=3, experts=16, top_k=2, share=(0.3, 0.3), overlap=(0.5, 0.5), accuracy=(0.4, 0.4), steps=30)
TOKENS = 40


def trace(*sequences: np.ndarray) -> Trace:
    routed = tuple(RoutedSequence(ids=ids.astype(np.uint16), weights=None) for ids in sequences)
    return Trace(digest="d", layers=3, top_k=2, experts=16, domains={"a": routed})


def random_ids(rng: np.random.Generator, tokens: int) -> np.ndarray:
    return np.sort(np.argsort(rng.random((tokens, 3, 16)), axis=2)[:, :, :2], axis=2)


def guesses(given: Trace, seed: int) -> list[tuple[int, np.ndarray]]:
    session = make_session(LAW, given, np.random.default_rng(seed), "s")
    return [(visit.step, visit.guess) for visit in session.visits]


def test_a_guess_hangs_on_no_token_to_come() -> None:
    rng = np.random.default_rng(0)
    ids = random_ids(rng, TOKENS)
    changed = np.concatenate([ids[:30], random_ids(rng, TOKENS - 30)])
    compared = 0
    for seed in range(6):
        for (step, one), (_, other) in zip(guesses(trace(ids), seed), guesses(trace(changed), seed), strict=True):
            # A prompt is the first step and at most 16 tokens, so that ten steps are over before the change.
            if step < 10:
                assert np.array_equal(one, other)
                compared += 1
    assert compared == 6 * 3 * 10


def test_wrong_guesses_are_of_experts_that_other_sequences_visit() -> None:
    low, high = (np.tile(np.array([[pair]]), (TOKENS, 3, 1)) for pair in ([0, 1], [8, 9]))
    wrong = np.concatenate([guess.ravel() for seed in range(20) for _, guess in guesses(trace(low, high), seed)])
    counts = np.bincount(wrong[wrong >= 0], minlength=16)
    assert counts[[0, 1, 8, 9]].min() > 5 * np.delete(counts, [0, 1, 8, 9]).max()
