"""Where to look next: Optuna's TPE and the CMA-ES of `cmaes`, on trials that are kept elsewhere.

A sampler is made anew for every proposal, from the trials known and a seed, so that the same lessons lead to the same
proposal in a resumed run. It costs less than it seems: the trials are not copied.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Container, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np
import optuna
from cmaes import CMA
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from evolve.proposers.tuner.space import Kind, Space, Value
from evolve.proposers.tuner.study import State, Trial
from evolve.proposers.tuner.units import STEP, Point, from_unit, to_unit

_STATES = {State.DONE: TrialState.COMPLETE, State.STOPPED: TrialState.PRUNED, State.FAILED: TrialState.COMPLETE}


def tpe(
    spaces: Mapping[str, Space], trials: Sequence[Trial], waiting: Sequence[Point], rng: Random
) -> dict[str, Value]:
    """Sample by a multivariate tree-structured Parzen estimator (Bergstra et al. 2011; Watanabe 2023).

    Args:
        spaces: what each value may be, by key.
        trials: what was measured; a failed one counts as worse than the worst.
        waiting: points under way; they count as bad ones, so that no two workers get the same.
        rng: the only source of randomness.
    """
    # It would report every study on stderr; this is a process-wide setting of the library.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ranges = {key: _distribution(space) for key, space in spaces.items()}
    worst = min((trial.value for trial in trials if trial.value is not None), default=0.0)
    shelf = _Shelf(
        [
            *(_frozen(trial, spaces, ranges, worst) for trial in trials),
            *(_running(point, spaces, ranges) for point in waiting),
        ]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=1, multivariate=True, constant_liar=True, seed=rng.getrandbits(32)
        )
        study = optuna.create_study(direction="maximize", sampler=sampler, storage=shelf)
        asked = study.ask(ranges)
    return {key: _plain(space, asked.params[key]) for key, space in spaces.items()}


def cma_es(spaces: Mapping[str, Space], trials: Sequence[Trial], rng: Random) -> dict[str, Value]:
    """Sample by CMA-ES (Hansen 2016), which only ranks; for two numbers or more, and nothing else.

    The trials, in the order they were heard of, are its generations, whoever proposed them; it starts from the best of
    the first generation.
    """
    keys = sorted(spaces)
    places = [np.array([to_unit(spaces[key], trial.point[key]) for key in keys]) for trial in trials]
    order = sorted(range(len(trials)), key=lambda index: trials[index].rank, reverse=True)
    rank = {index: float(position) for position, index in enumerate(order)}
    size = 4 + int(3 * math.log(len(keys)))
    start = min(range(min(len(trials), size)), key=lambda index: rank[index])
    optimizer = CMA(
        mean=places[start],
        sigma=STEP,
        bounds=np.tile([0.0, 1.0], (len(keys), 1)),
        seed=rng.getrandbits(32),
        population_size=size,
    )
    for first in range(1, len(trials) - size + 1, size):
        optimizer.tell([(places[index], rank[index]) for index in range(first, first + size)])
    place = optimizer.ask()
    return {key: from_unit(spaces[key], float(at)) for key, at in zip(keys, place, strict=True)}


class _Shelf(InMemoryStorage):
    """Holds trials that were made elsewhere, without copying each of them."""

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._shelf = list(trials)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See `optuna.storages.BaseStorage`; nobody changes what is returned."""
        del study_id, deepcopy
        return [trial for trial in self._shelf if states is None or trial.state in states]


def _distribution(space: Space) -> BaseDistribution:
    if space.kind is Kind.CHOICE:
        return CategoricalDistribution(range(len(space.choices)))
    if space.kind is Kind.INT:
        return IntDistribution(round(space.low), round(space.high), log=space.log, step=space.step)
    return FloatDistribution(space.low, space.high, log=space.log)


def _params(point: Point, spaces: Mapping[str, Space]) -> dict[str, Any]:
    """A point as Optuna is told of it: a choice by its place, an integer on a step."""
    return {
        key: _index(space, point[key]) if space.kind is Kind.CHOICE else space.nearest(point[key], None)
        for key, space in spaces.items()
    }


def _index(space: Space, value: Value) -> int:
    wanted = space.nearest(value, None)
    return next(index for index, choice in enumerate(space.choices) if choice is wanted)


def _plain(space: Space, param: Any) -> Value:
    return space.choices[param] if space.kind is Kind.CHOICE else space.nearest(param, None)


def _frozen(
    trial: Trial, spaces: Mapping[str, Space], ranges: Mapping[str, BaseDistribution], worst: float
) -> FrozenTrial:
    value = worst - 1.0 if trial.value is None else trial.value
    return create_trial(
        state=_STATES[trial.state],
        value=value,
        params=_params(trial.point, spaces),
        distributions=dict(ranges),
        intermediate_values={trial.workloads: value} if trial.state is State.STOPPED else {},
    )


def _running(point: Point, spaces: Mapping[str, Space], ranges: Mapping[str, BaseDistribution]) -> FrozenTrial:
    return create_trial(state=TrialState.RUNNING, params=_params(point, spaces), distributions=dict(ranges), value=None)
