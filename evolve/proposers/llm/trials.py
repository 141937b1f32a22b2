"""Programs that a model wants tried out while it writes: the way from its conversation to the judge and back."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from evaluators.model import Evaluation
from evolve.desk import Trial
from evolve.proposers.llm.agent import TrialsOverError


class Trials:
    """Takes programs from conversations in the desk's thread, and verdicts from the driver's.

    A trial is judged on one workload that no candidate is scored on, and is kept nowhere.
    """

    def __init__(self) -> None:
        self._keys = itertools.count(1)
        self._waiting: SimpleQueue[Trial] = SimpleQueue()
        self._open: dict[int, Future[Evaluation]] = {}

    async def evaluate(self, source: str) -> Evaluation:
        """Have a program judged; returns when that is done.

        Raises:
            TrialsOverError: judging failed, through no fault of the program.
        """
        trial = Trial(key=next(self._keys), source=source)
        self._open[trial.key] = Future()
        self._waiting.put(trial)
        try:
            return await asyncio.wrap_future(self._open[trial.key])
        finally:
            self._open.pop(trial.key, None)

    def next_trial(self) -> Trial | None:
        """A program to be judged, unless nobody waits for it any more."""
        while True:
            try:
                trial = self._waiting.get_nowait()
            except Empty:
                return None
            if trial.key in self._open:
                return trial

    def tried(self, key: int, evaluation: Evaluation | None, failure: str) -> None:
        """Answer whoever waits for that trial."""
        waiting = self._open.get(key)
        if waiting is None or waiting.cancelled():
            return
        if evaluation is None:
            waiting.set_exception(TrialsOverError(f"this program could not be tried out: {failure}"))
        else:
            waiting.set_result(evaluation)
