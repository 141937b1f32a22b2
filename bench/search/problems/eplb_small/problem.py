"""A small ``eplb``: 26 layers of 64 experts on 8 GPUs, short streams, and one law in every split.

Train, validation and hidden blocks are draws of the same law, so that a program has one true score: its mean over very
many blocks. ``workload`` ``seeds`` begins with several published balancers; anything else with one, as tools do that
take a single program.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import seeds
from evaluators.eplb.problem import DECLARATION as WHOLE
from evaluators.eplb.problem import FOLDER, Eplb
from evaluators.model import Split
from evaluators.problem import Declaration
from evaluators.workloads.regimes import SIMPLE_REGIMES
from evaluators.workloads.stream import LoadStream
from evaluators.workloads.suite import (
    V2_LITE_8,
    StreamDefinition,
    SuiteConfig,
    build_streams,
    load_law,
    suite_digest,
)
from seeds import Seed

HERE = Path(__file__).parent
DRAWS, WARM_WINDOWS, SCORED_WINDOWS = 2, 6, 4
FIRST = "deepseek_global"
OTHERS = ("ema", "threshold", "zigzag")

DECLARATION = dataclasses.replace(
    WHOLE,
    name="eplb_small",
    family="search benchmark",
    title="expert replication and placement under drift, small",
    baseline=FIRST,
)


def suite() -> SuiteConfig:
    """Two draws of each regime; the same definitions in every split."""
    streams = tuple(
        StreamDefinition(
            name=f"{V2_LITE_8.label}/{regime.value}/{draw}",
            deployment=V2_LITE_8,
            generator=load_law(V2_LITE_8),
            regime=regime,
            warm_windows=WARM_WINDOWS,
            scored_windows=SCORED_WINDOWS,
        )
        for draw in range(DRAWS)
        for regime in SIMPLE_REGIMES
    )
    return SuiteConfig(train=streams, validation=streams, hidden=streams)


def _draw(split: Split, seed: bytes) -> Sequence[LoadStream]:
    return build_streams(split, seed, suite())


class Small(Eplb):
    """``eplb`` with other streams and other starting programs."""

    def __init__(self, names: tuple[str, ...]) -> None:
        facts = (suite_digest(suite()), (HERE / "initial.py").read_text(encoding="utf-8"))
        super().__init__(_draw, hashlib.sha256(repr(facts).encode()).hexdigest()[:16])
        self._names = names

    @property
    def declaration(self) -> Declaration:
        """The fixed facts."""
        return DECLARATION

    @cached_property
    def statement(self) -> str:
        """What a proposer is told."""
        return (HERE / "statement.md").read_text(encoding="utf-8")

    @cached_property
    def seeds(self) -> tuple[Seed, ...]:
        """DeepSeek's balancer, and others where they are asked for."""
        source = (HERE / "initial.py").read_text(encoding="utf-8")
        first = Seed(name=FIRST, summary="DeepSeek EPLB, global policy, on the last window.", source=source)
        return (first, *(seed for seed in seeds.read_seeds(FOLDER) if seed.name in self._names))


def make_problem(workload: str) -> Small:
    """See the module."""
    return Small(OTHERS if workload == "seeds" else ())
