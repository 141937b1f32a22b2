"""How large a training is: the one that counts, its check in half a minute, and a toy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large everything is.

    Args:
        train_bytes: text of each domain to train on, at most.
        held_bytes: text of each domain that is held out, at most.
        gather_seconds: longest time for finding and reading text.
        vocabulary: tokens of the tokenizer.
        words: distinct words that it learns from.
        sample_bytes: text of each domain that it learns from.
        learn_seconds: longest time for that.
        rows: sequences in a batch, each as long as the model's context.
        learning_rate: highest of the schedule (linear warm-up, then a cosine down to a tenth).
        warm_steps: steps of the warm-up.
        release: share of the training after which a model without balancing loses its biases. Without any at the
            beginning, all tokens go to the same few experts before these have learnt to differ, and stay there.
        record_tokens: tokens to record of each domain; fewer are stored where the file would grow too large.
        shortest: shortest recorded sequence in tokens, but for short documents.
        longest: longest recorded sequence in tokens.
        score_tokens: tokens of each domain whose affinities are recorded, spread evenly over its first sequences.
        score_every: one token in so many of these sequences.
        score_layers: layers of which they are recorded, spread evenly from the first to the last.
        reserve_seconds: time kept for recording and storing.
        least_steps: steps of training that are made however long they take.
        most_steps: steps of training, at most.
        log_every: steps between lines of progress.
        model: sizes of the model that differ from those of `model.Shape`.
    """

    train_bytes: int = 60_000_000
    held_bytes: int = 2_000_000
    gather_seconds: float = 60.0
    vocabulary: int = 4096
    words: int = 40_000
    sample_bytes: int = 3_000_000
    learn_seconds: float = 30.0
    rows: int = 32
    learning_rate: float = 8e-4
    warm_steps: int = 100
    release: float = 0.15
    record_tokens: int = 18_000
    shortest: int = 64
    longest: int = 512
    score_tokens: int = 384
    score_every: int = 4
    score_layers: int = 3
    reserve_seconds: float = 45.0
    least_steps: int = 20
    most_steps: int = 1_000_000
    log_every: int = 100
    model: tuple[tuple[str, int], ...] = ()


FULL = Plan()
CHECK = Plan(
    train_bytes=2_000_000, held_bytes=200_000, gather_seconds=10, vocabulary=1024, words=8000, sample_bytes=300_000,
    learn_seconds=6, warm_steps=5, record_tokens=2000, score_tokens=16, reserve_seconds=5, most_steps=20, log_every=5,
)  # fmt: skip
TINY = Plan(
    train_bytes=150_000, held_bytes=60_000, gather_seconds=4, vocabulary=400, words=2000, sample_bytes=60_000,
    learn_seconds=3, rows=4, warm_steps=5, record_tokens=600, shortest=16, longest=60, score_tokens=16,
    reserve_seconds=4, most_steps=60, log_every=10, model=(
        ("width", 64), ("heads", 4), ("moe_layers", 2), ("experts", 16), ("top_k", 4), ("expert_width", 32),
        ("shared_width", 32), ("dense_width", 96), ("context", 64),
    ),
)  # fmt: skip
