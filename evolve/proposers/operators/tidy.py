"""Takes out what probably does nothing."""

from __future__ import annotations

from evolve.proposal import ProposalError
from evolve.proposers.operators.cuts import combined, cuts
from evolve.proposers.operators.task import Change, Task, one_line

_ALL_SHARE = 0.6


def tidy(task: Task) -> Change:
    """Remove parts that look dead: all of them at once, or one of them.

    Raises:
        ProposalError: nothing looks dead.
    """
    dead = [cut for cut in cuts(task.parent, task.entry) if cut.likely]
    if not dead:
        raise ProposalError("nothing in the program looks dead")
    if task.rng.random() >= _ALL_SHARE:
        dead = [task.rng.choice(dead)]
    source, applied = combined(task.parent, dead)
    note = one_line("; ".join(cut.note for cut in applied), 200)
    return Change(source=source, operator="prune", note=note)
