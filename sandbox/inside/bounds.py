"""Limits for all processes of a guest together, and who dies first when memory runs out."""

from __future__ import annotations

import os

from sandbox.inside.cgroups import CPU, MEMORY, TASKS, Group
from sandbox.inside.scratch import FILES_OF_FULL_SIZE
from sandbox.limits import MIB, Limits

# Page tables, socket buffers, the page cache of files that are being read.
SPARE_BYTES = 64 * MIB
SPARE_TASKS = 8
# The zygote is in the group too; at exactly one processor its few steps would stop a guest in mid-measurement.
SPARE_PROCESSORS = 0.2
VICTIM, WORST_SCORE = "/proc/self/oom_score_adj", b"1000"


class Bounds:
    """Keeps the limits of a control group in step with the guest of the moment.

    Args:
        group: what the zygote has joined; what it uses now counts as the zygote's own.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self._own_bytes = group.use(MEMORY) if group.has(MEMORY) else 0
        self._own_tasks = group.use(TASKS) if group.has(TASKS) else 0
        self._set: dict[str, float] = {}

    @property
    def counts_kills(self) -> bool:
        """Whether `kills` knows anything."""
        return self._group.has(MEMORY)

    def kills(self) -> int:
        """How many processes were killed for want of memory so far."""
        return self._group.kills()

    def apply(self, limits: Limits) -> None:
        """Write the limits that differ from those of the guest before.

        Raises:
            OSError: the kernel refuses one.
        """
        scratch_bytes = FILES_OF_FULL_SIZE * limits.file_bytes
        wanted = {
            MEMORY: self._own_bytes + limits.memory_bytes + scratch_bytes + SPARE_BYTES,
            TASKS: self._own_tasks + limits.processes + limits.threads + SPARE_TASKS,
            CPU: limits.threads + SPARE_PROCESSORS,
        }
        for controller, amount in wanted.items():
            if self._group.has(controller) and self._set.get(controller) != amount:
                self._group.set(controller, amount)
                self._set[controller] = amount


class Victim:
    """Makes the kernel kill guests before the zygote when memory runs out.

    The score is the zygote's own, raised around each fork, because a guest that cannot write to ``/proc`` can
    neither raise nor lower its own.
    """

    def __init__(self) -> None:
        self._score = os.open(VICTIM, os.O_RDWR)
        self._before = os.pread(self._score, 16, 0).strip()

    def prefer(self, *, children: bool) -> None:
        """What is forked from now on is to be killed first, or like this process."""
        os.pwrite(self._score, WORST_SCORE if children else self._before, 0)
