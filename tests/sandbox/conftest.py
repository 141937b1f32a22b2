from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import Execution, Limits, Sandbox


def children_of(pid: int) -> set[int]:
    """All living descendants of a process."""
    below: set[int] = set()
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if text[0] not in "ZX":
                parents[int(entry.name)] = int(text[1])
    waiting = {pid}
    while waiting:
        waiting = {child for child, parent in parents.items() if parent in waiting}
        below |= waiting
    return below


@pytest.fixture
def descendants() -> Callable[[int], set[int]]:
    return children_of


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET", "secret")
        instance = Sandbox(preload=("numpy",), array_module="numpy")
    with instance:
        yield instance


Run = Callable[..., Execution]


@pytest.fixture
def run(sandbox: Sandbox) -> Run:
    """Run one function body once in a guest of its own; afterwards only launcher and zygote may be left."""

    def one(
        source: str,
        /,
        *,
        timeout_seconds: float = 20.0,
        limits: Limits | None = None,
        **arguments: object,
    ) -> Execution:
        with sandbox.open(source, "f", limits or Limits()) as session:
            result = session.call(arguments, timeout_seconds=timeout_seconds)  # type: ignore[arg-type]
        assert len(children_of(os.getpid())) == 2
        return result

    return one


OPEN_UP = '''
import os, sys
from pathlib import Path

def open_up():
    """In a mount namespace of its own, let every user reach this Python, however private the folders above."""
    from sandbox.inside import linux, namespaces
    bind, recursive = 1 << 12, 1 << 14
    wanted = sorted({Path(sys.base_prefix), Path(sys.prefix), *(Path(entry) for entry in sys.path if entry)})
    entered = False
    for folder in (folder for path in wanted for folder in (*reversed(path.parents), path)):
        if not folder.is_dir() or folder.stat().st_mode & 0o001:
            continue
        if not entered:
            namespaces.enter_mounts()
            entered = True
        # The same folder with the same entries, but everybody may pass.
        aside = os.open(folder, os.O_PATH)
        entries = [(entry.name, entry.is_dir()) for entry in folder.iterdir() if not entry.is_symlink()]
        links = [(entry.name, os.readlink(entry)) for entry in folder.iterdir() if entry.is_symlink()]
        linux.mount("tmpfs", str(folder), "tmpfs", 0, "mode=755")
        for name, is_folder in entries:
            place = folder / name
            place.mkdir() if is_folder else place.touch()
            linux.mount(f"/proc/self/fd/{aside}/{name}", str(place), None, bind | recursive)
        for name, target in links:
            os.symlink(target, folder / name)
        os.close(aside)
'''


@pytest.fixture
def open_up() -> str:
    """Source of a function for callers in processes of their own, which run as root and are to let others in."""
    return OPEN_UP
