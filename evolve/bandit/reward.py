"""What a verdict earns the arm that made its candidate."""

from __future__ import annotations

from collections import deque

from evolve.lesson import Lesson

STANDING = 40
"""So many recent candidates say how far from the best one a usual one is."""

FADING = 0.96
"""What is left, a candidate later, of the gain that rewards are measured by; half of it after 17 candidates."""


BELOW_THE_BEST = 0.2
"""How much of the largest recent gain a gain may be worth as far as it lies below the best candidate."""


class Credit:
    """Gains in the lower bound, over a bar that poor parents do not lower, as a share of the largest recent gain.

    The gain of a candidate is ``merit - max(parent_merit, best_merit - slack)``, where the slack is the lower quartile
    of how far the last `STANDING` measured candidates fell short of the best: repairing a poor parent earns nothing
    before the child is better than three in four. The reward is that gain over the largest one so far, which fades by
    `FADING` a candidate (extreme-value credit: Fialho et al. 2010, section 3). So one large gain is worth many tiny
    ones, a new best by a hair's breadth earns next to nothing, and late small steps pay again once the large ones are
    long ago.

    Whoever writes poor programs and repairs them afterwards gains again and again and moves nothing. So what lies below
    the best counts for at most `BELOW_THE_BEST`, and the largest gain is the largest one above the best. Before there
    was one, any gain below the best earns `BELOW_THE_BEST`.

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
        if lesson.best_merit is None:
            return 0.0
        below, above = self._gains(lesson.merit, lesson.parent_merit, lesson.best_merit)
        self._shortfalls.append(max(0.0, lesson.best_merit - lesson.merit))
        self._largest = max(self._largest, above)
        if not self._largest:
            return BELOW_THE_BEST if below else 0.0
        return min(1.0, min(below / self._largest, BELOW_THE_BEST) + above / self._largest)

    def _gains(self, merit: float, parent: float | None, best: float) -> tuple[float, float]:
        """How far above its bar a candidate is, in points: what of that lies below the best one, and what above it."""
        shortfalls = sorted(self._shortfalls) or [0.0]
        bar = best - shortfalls[(len(shortfalls) - 1) // 4]
        if parent is not None:
            bar = max(bar, parent)
        return max(0.0, min(merit, best) - bar), max(0.0, merit - max(best, bar))
