"""Started by path in a fresh process with one thread: enters namespaces, starts the zygote, watches it.

Arguments: a JSON object with the fields of `sandbox.inside.zygote.Config`, ``control`` (descriptor of the
control channel) and ``caller`` (process id).
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn


def main(text: str) -> NoReturn:
    """Launch a zygote and wait until it or the caller is gone."""
    told: dict[str, Any] = json.loads(text)
    caller = os.pidfd_open(told.pop("caller"))
    control = socket.socket(fileno=told.pop("control"))
    sys.path[:] = told["import_path"]

    from sandbox.inside import cleaning, linux, namespaces, privileges  # noqa: PLC0415 - not importable before
    from sandbox.inside.zygote import Config, Zygote  # noqa: PLC0415
    from sandbox.wire import Channel  # noqa: PLC0415

    config = Config(**{**told, "preload": tuple(told["preload"]), "import_path": tuple(told["import_path"])})
    outside = namespaces.identities()
    flags, reasons = namespaces.choose(f"{config.base}/root")
    namespaces.enter(flags)
    linux.prctl("subreaper", linux.PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        privileges.die_with_parent()
        linux.prctl("subreaper", linux.PR_SET_CHILD_SUBREAPER, 1)
        # The first process of a pid namespace is immune to signals from inside unless it handles them.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(caller)
        zygote = Zygote(config, flags, reasons, outside)
        linux.prctl("not dumpable", linux.PR_SET_DUMPABLE, 0)
        zygote.serve(Channel(control, accept_descriptors=True))
    control.close()
    _watch(child, caller)
    for pid in cleaning.descendants(os.getpid()):
        cleaning.kill(pid)
    base = Path(config.base)
    if base.exists() and select.select([caller], [], [], 0)[0]:  # the caller cannot tidy up any more
        cleaning.remove_tree(base)
    os._exit(0)


def _watch(child: int, caller: int) -> None:
    zygote = os.pidfd_open(child)
    select.select([zygote, caller], [], [])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1])
