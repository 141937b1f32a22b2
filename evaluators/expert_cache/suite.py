"""Joins the problem ``expert_cache`` with its sessions: generated routes, or those of a trace."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from evaluators.expert_cache.laws import EXPERT_BYTES, LAWS, SESSIONS_VERSION, SMALLER, draws_of
from evaluators.expert_cache.measures import WINDOWS
from evaluators.expert_cache.problem import (
    DECLARATION,
    GATE_EVERY,
    GATE_SHARE,
    PATIENCE,
    TIMEOUT_SECONDS,
    ExpertCacheProblem,
)
from evaluators.expert_cache.session import Session, Sizes
from evaluators.expert_cache.sessions import GATE_SECONDS, MOST_PROMPT, make_session
from evaluators.model import Split
from evaluators.problem import ProblemError
from evaluators.workloads.choice import GENERATED
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.route_csv import read_route_log
from evaluators.workloads.routes import RouteSource, TraceError, open_routes


def make_problem(workload: str) -> ExpertCacheProblem:
    """Build the problem on ``generated`` routes, on the project's ``own``, or on those of the trace at a path.

    Raises:
        ProblemError: the trace cannot be used; says why and how to mend it.
    """
    path = Path(workload)
    try:
        routes = open_routes(workload)
        # A route log knows how large its experts were; other traces do not.
        sizes = read_route_log(path).expert_bytes if path.suffix == ".csv" else None
        draw = partial(draw_sessions, routes, sizes)
        if workload != GENERATED:
            for split in Split:
                draw_sessions(routes, sizes, split, bytes(32), draws=1)
    except TraceError as error:
        raise ProblemError(
            f"cannot use the routes {workload!r}: {error}\nhint: docs/expert_cache.md says what can be read"
        ) from error
    return ExpertCacheProblem(draw, _facts(routes))


def draw_sessions(
    routes: RouteSource, sizes: Sizes | None, split: Split, seed: bytes, draws: int | None = None
) -> Sequence[Session]:
    """Draw the sessions of a block: every law of the split, and again; models of the source by turns.

    Args:
        routes: where routed sequences come from; asked anew for every session.
        sizes: int64 ``(layers,)``, bytes of an expert of each layer where they were recorded.
        split: which split.
        seed: the block's 32-byte secret; a session's seed derives from it, the split and the session's name.
        draws: how often each law is drawn; as often as the split says if None.
    """
    sessions = []
    models = routes.variants
    for draw in range(draws_of(split) if draws is None else draws):
        model = models[draw % len(models)]
        for law in LAWS[split]:
            own = derive_seed(
                seed, f"expert_cache/{split.value}/{law.label(law.layers, law.experts, law.top_k)}/{draw}"
            )
            trace = model.sequences(split, own, law.shape)
            name = f"{law.label(trace.layers, trace.experts, trace.top_k)}/{draw}"
            rng = random_generator(derive_seed(own, "machine"))
            sessions.append(make_session(law, trace, rng, name, sizes))
    return sessions


def _facts(routes: RouteSource) -> dict[str, object]:
    """All that a score depends on beside the program and the secret."""
    return {
        "routes": routes.digest,
        "sessions": SESSIONS_VERSION,
        "laws": {split.value: [dataclasses.asdict(law) for law in LAWS[split]] for split in Split},
        "draws": {split.value: draws_of(split) for split in Split},
        "bytes": [EXPERT_BYTES, SMALLER],
        "prompt": MOST_PROMPT,
        "windows": WINDOWS,
        "gate": [GATE_SECONDS, GATE_SHARE, PATIENCE, GATE_EVERY, TIMEOUT_SECONDS],
        "entry": DECLARATION.entry,
    }
