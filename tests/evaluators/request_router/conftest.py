from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from evaluators.guest import CheckedGuest
from evaluators.request_router.problem import RequestRouter
from evaluators.request_router.suite import make_problem
from evaluators.request_router.traffic import Costs, Request, Speeds, Traffic

PLAIN = Costs(fixed=0.0, linear=0.001, quadratic=0.0, interference=0.0, step=0.0, step_request=0.0)


class InProcess(CheckedGuest):
    """A guest without a sandbox: calls a function of the test's own and says how long it took."""

    def __init__(self, route: Callable[..., Any], seconds: Callable[[int], float] = lambda call: 0.0005) -> None:
        super().__init__()
        self._route = route
        self._seconds = seconds
        self.calls: list[Mapping[str, Any]] = []

    def ask(self, arguments: Mapping[str, Any], timeout_seconds: float) -> tuple[object, float]:
        self.calls.append({**arguments, "timeout": timeout_seconds})
        return self._route(**arguments), self._seconds(len(self.calls))


@pytest.fixture(scope="session")
def guest() -> type[InProcess]:
    return InProcess


@pytest.fixture(scope="session")
def problem() -> RequestRouter:
    return make_problem("generated")


@pytest.fixture(scope="session")
def seed_guest(problem: RequestRouter) -> Callable[[str], InProcess]:
    """A seed in this process, freshly loaded."""

    def load(name: str) -> InProcess:
        namespace: dict[str, Any] = {"__name__": "candidate"}
        exec(next(seed.source for seed in problem.seeds if seed.name == name), namespace)
        return InProcess(namespace["route"])

    return load


@pytest.fixture(scope="session")
def traffic() -> Callable[..., Traffic]:
    """Small traffic by hand: arrivals in seconds, prompts in blocks or (tokens, blocks)."""

    def make(arrivals: list[float], prompts: list[Any], **changes: Any) -> Traffic:
        requests = []
        for arrival, prompt in zip(arrivals, prompts, strict=True):
            tokens, blocks = prompt if isinstance(prompt[-1], tuple) else (512 * len(prompt), prompt)
            requests.append(
                Request(
                    arrival_seconds=arrival,
                    input_tokens=tokens,
                    output_tokens=changes.get("output_tokens", 1),
                    blocks=tuple(blocks),
                )
            )
        changes.pop("output_tokens", None)
        facts: dict[str, Any] = {
            "name": "t",
            "stratum": "t",
            "requests": tuple(requests),
            "warm_requests": 0,
            "stretches": 2,
            "fleet": (Speeds(), Speeds()),
            "cache_blocks": 100,
            "costs": PLAIN,
            "objective_seconds": 2.0,
            "view_seconds": 1.0,
        }
        return Traffic(**{**facts, **changes})

    return make


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
