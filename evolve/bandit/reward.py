"""What a verdict earns the arm that made its candidate."""

from __future__ import annotations

from collections import deque
from statistics import median

from evolve.lesson import Lesson

STANDING = 40
"""So many recent candidates say how far from the best one a usual one is."""

FADING = 0.96
"""What is left, a candidate later, of the gain that rewards are measured by; half of it after 17 candidates."""


class Credit:
    """Gains in the lower bound, over a bar that poor parents do not lower, as a share of the largest recent gain.

    The gain of a candidate is ``merit - max(parent_merit, best_merit - slack)``, where the slack is the median of how
    far the last `STANDING` measured candidates fell short of the best: repairing a poor parent earns nothing before
    the child is better than a usual candidate. The reward is that gain over the largest one so far, which fades by
    `FADING` a candidate (extreme-value credit: Fialho et al. 2010, section 3). So one large gain is worth many tiny
    ones, a new best by a hair's breadth earns next to nothing, and late small steps pay again once the large ones are
    long ago.

    Its state is a function of the calls made to it.
    """

    def __init__(self) -> None:
        self._shortfalls: deque[float] = deque(maxlen=STANDING)
        self._largest = 0.0

    def reward(self, lesson: Lesson) -> float:
        """What this verdict earns, in 0..1; 0 for one that failed, was stopped or is not the first on its candidate.

        To be called for every verdict, in order, also for those that no arm is paid for.
        """
        if not lesson.is_first:
            return 0.0
        self._largest *= FADING
        if lesson.merit is None:
            return 0.0
        gain = self._gain(lesson.merit, lesson.parent_merit, lesson.best_merit)
        if lesson.best_merit is not None:
            self._shortfalls.append(max(0.0, lesson.best_merit - lesson.merit))
        if gain <= 0:
            return 0.0
        self._largest = max(self._largest, gain)
        return gain / self._largest

    def _gain(self, merit: float, parent: float | None, best: float | None) -> float:
        """How far above its bar a candidate is, in points."""
        if best is None:
            return 0.0
        bar = best - median(self._shortfalls or [0.0])
        return merit - (bar if parent is None else max(parent, bar))
