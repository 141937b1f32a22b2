"""Started by path in a fresh process with one thread: enters namespaces, starts the zygote, watches it.

Argument: a JSON object with ``config`` (fields of `sandbox.inside.zygote.Config`), ``import_path``, ``base``
(private folder), ``places`` (where a control group may be made), ``left_out`` (layers), ``control`` (descriptor
of the control channel) and ``caller`` (process id).
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
    caller = os.pidfd_open(told["caller"])
    control = socket.socket(fileno=told["control"])
    sys.path[:] = told["import_path"]

    from sandbox.inside import cgroups, cleaning, identity, linux, namespaces, privileges  # noqa: PLC0415
    from sandbox.inside.prepare import Place  # noqa: PLC0415 - none of these is importable before
    from sandbox.inside.zygote import Config, Zygote  # noqa: PLC0415
    from sandbox.wire import Channel  # noqa: PLC0415

    left_out = frozenset(told["left_out"])
    base = told["base"]
    places = [cgroups.Place(**place) for place in told["places"]]
    cgroups.sweep(places)
    group = cgroups.Group(places, left_out)
    guest_id, no_guest_id = identity.for_guests()
    outside = namespaces.identities()
    wanted = sum(flag for flag, name in namespaces.NAMES.items() if name not in left_out)
    choice = namespaces.choose(f"{base}/root", wanted, guest_id)
    namespaces.enter(choice.flags, choice.guest_id)
    linux.prctl("subreaper", linux.PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        privileges.die_with_parent()
        linux.prctl("subreaper", linux.PR_SET_CHILD_SUBREAPER, 1)
        # The first process of a pid namespace is immune to signals from inside unless it handles them.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(caller)
        group.join()
        place = Place(
            base=base,
            choice=choice,
            no_guest_id=no_guest_id or choice.no_guest_id,
            outside=outside,
            group=group,
            left_out=left_out,
        )
        zygote = Zygote(Config(**told["config"]), place)
        linux.prctl("not dumpable", linux.PR_SET_DUMPABLE, 0)
        zygote.serve(Channel(control, accept_descriptors=True))
    control.close()
    group.close()
    _watch(child, caller)
    cleaning.kill_descendants(everything=False)
    if Path(base).exists() and select.select([caller], [], [], 0)[0]:  # the caller cannot tidy up any more
        cleaning.remove_tree(Path(base))
    cgroups.remove(group.folders)
    os._exit(0)


def _watch(child: int, caller: int) -> None:
    zygote = os.pidfd_open(child)
    select.select([zygote, caller], [], [])
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1])
