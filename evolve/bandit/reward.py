"""What a verdict earns the arm that made its candidate."""

from __future__ import annotations

from collections import deque
from statistics import median

from evolve.lesson import Lesson

STANDING = 40
"""So many recent candidates say how far from the best one a usual one is."""

GAINS = 20
"""So many recent gains say what a usual gain is."""


class Credit:
    """Gains in the lower bound, over a bar that poor parents do not lower, on the scale of recent gains.

    The gain of a candidate is ``merit - max(parent_merit, best_merit - slack)``, where the slack is the median of how
    far the last `STANDING` measured candidates fell short of the best: repairing a poor parent earns nothing before
    the child is better than a usual candidate. The reward is ``gain / (gain + usual)`` with the median of the last
    `GAINS` gains, this one included, and 1 for a new best. So large gains are worth more than frequent small ones
    (extreme values: Fialho et al. 2010, section 3), but one outlier does not make all later ones worthless, and late
    small steps still pay.

    Its state is a function of the calls made to it.
    """

    def __init__(self) -> None:
        self._shortfalls: deque[float] = deque(maxlen=STANDING)
        self._gains: deque[float] = deque(maxlen=GAINS)

    def reward(self, lesson: Lesson) -> float:
        """What this verdict earns, in 0..1; 0 for one that failed, was stopped or is not the first on its candidate.

        To be called for every verdict, in order, also for those that no arm is paid for.
        """
        if not lesson.is_first or lesson.merit is None:
            return 0.0
        gain = self._gain(lesson.merit, lesson.parent_merit, lesson.best_merit)
        best = lesson.best_merit
        if best is not None:
            self._shortfalls.append(max(0.0, best - lesson.merit))
        if gain > 0 and lesson.candidate.parents:
            self._gains.append(gain)
        if best is None or lesson.merit > best:
            return 1.0
        if gain <= 0:
            return 0.0
        return gain / (gain + median(self._gains or [gain]))

    def _gain(self, merit: float, parent: float | None, best: float | None) -> float:
        """How far above its bar a candidate is, in points."""
        if best is None:
            return 0.0
        bar = best - median(self._shortfalls or [0.0])
        return merit - (bar if parent is None else max(parent, bar))
