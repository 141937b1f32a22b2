"""The one folder where a guest may write: new and empty for each, and its own."""

from __future__ import annotations

import os
from pathlib import Path

from sandbox.inside import linux, mounts
from sandbox.inside.cleaning import empty_tree

FILES_OF_FULL_SIZE = 4
PASSABLE = 0o711  # for guests of another user on the way to their folder


class Scratch:
    """Makes and removes scratch folders.

    Args:
        parent: folder that holds them.
        private_root: whether they are mounts of limited size.
    """

    def __init__(self, parent: str, *, private_root: bool) -> None:
        self.parent = parent
        self._private_root = private_root
        self._count = 0

    def fresh(self, file_bytes: int, owner: int | None) -> str:
        """Make one.

        Args:
            file_bytes: size of the largest file; a few of these fit.
            owner: user and group that it belongs to, None for this process's.

        Raises:
            OSError: it cannot be made, or not be given away.
        """
        if self._private_root:
            mounts.fresh_scratch(file_bytes * FILES_OF_FULL_SIZE, owner)
            return mounts.SCRATCH
        self._count += 1
        folder = f"{self.parent}/{self._count}"
        Path(folder).mkdir(mode=0o700)
        if owner is not None:
            os.chown(folder, owner, owner)
        return folder

    def clear(self, folder: str) -> None:
        """Remove one with all that a guest has left; its processes must be dead."""
        if self._private_root:
            linux.detach(folder)
        else:
            # Not the folder alone: where the user is the same, a guest could have written beside it.
            empty_tree(Path(self.parent))
            Path(self.parent).chmod(PASSABLE)
