"""What a zygote does before its first guest: a root of its own, and which layers this machine lets it apply."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.inside import cgroups, guest, landlock, linux, mounts, namespaces, paths, probe, seccomp
from sandbox.inside.cleaning import kill
from sandbox.inside.scratch import Scratch
from sandbox.layers import ENFORCED, LEFT_OUT, Layer
from sandbox.limits import Limits

# Where the user is the guest's alone, libraries may still want a thread or two; where it is an ordinary user's
# own, old kernels count what else that user runs.
SPARE_TASKS_ALONE, SPARE_TASKS_SHARED = 8, 64
PROBE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a zygote finds itself.

    Args:
        base: private folder of this sandbox, outside.
        choice: its namespaces and the user for guests.
        no_guest_id: why there is no such user, empty if there is or none is needed.
        outside: identities of the launcher's namespaces.
        group: control group that it has joined.
        left_out: layers that are not wanted.
    """

    base: str
    choice: namespaces.Choice
    no_guest_id: str
    outside: dict[int, str]
    group: cgroups.Group
    left_out: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a caller wants guests to find.

    Args:
        packages: files and folders of the preloaded packages.
        programs: what guests that may have processes may start.
        environment: their variables.
    """

    packages: Sequence[str]
    programs: Sequence[str]
    environment: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class Prepared:
    """What a zygote goes on with."""

    plan: guest.Plan
    layers: dict[str, str]
    scratch: Scratch


def prepare(place: Place, wanted: Wanted) -> Prepared:
    """Shut the outside world out, then let a guest try every layer.

    Args:
        place: where this process is.
        wanted: what guests are to find.
    """
    packages = wanted.packages
    startable = paths.startable(wanted.programs)
    readable, hidden, scratch, found = _root(place, [*packages, *startable])
    ruleset = None
    if Layer.LANDLOCK in place.left_out:
        found[Layer.LANDLOCK] = LEFT_OUT
    else:
        try:
            allowed = [*paths.without(readable, hidden), *packages]
            starts_python = any(Path(program).name.startswith("python") for program in startable)
            listable = paths.module_folders(readable, hidden, packages) if starts_python else []
            ruleset = landlock.build(allowed, [scratch.parent, "/dev/null"], startable, listable)
        except OSError as error:
            found[Layer.LANDLOCK] = linux.errno_name(error)
    plan = guest.Plan(
        zygote=os.getpid(),
        import_path=paths.import_path(sys.path),
        environment=wanted.environment,
        guest_id=None if Layer.ORDINARY_USER in place.left_out else place.choice.guest_id,
        ruleset=ruleset,
        call_filters=_filters(found, may_execute=bool(startable)),
        spare_tasks=None,
        left_out=place.left_out,
    )
    prepared = Prepared(plan=plan, layers=found, scratch=scratch)
    _choose_user(prepared, place, [*paths.standard_library(), *packages])
    forbidden = mounts.FORBIDDEN if place.choice.flags & namespaces.MOUNT else f"{place.base}/canary"
    own_proc = found[Layer.OWN_PROC] == ENFORCED and Layer.OWN_PROC not in place.left_out
    tried = _try(prepared, lambda: probe.confinement(plan, Limits(), forbidden, own_proc=own_proc))
    found.update(tried)
    if tried.get(Layer.SECCOMP) != ENFORCED:
        plan.call_filters = {}
    if tried.get(Layer.LANDLOCK) != ENFORCED:
        plan.ruleset = None
    found.update(probe.group(place.group))
    found.update(dict.fromkeys(place.left_out, LEFT_OUT))
    prepared.layers = {layer: found[layer] for layer in Layer}
    return prepared


def _root(place: Place, packages: Sequence[str]) -> tuple[list[str], list[str], Scratch, dict[str, str]]:
    """Enter the private root where there is one; what is readable and hidden in it, and what it is worth."""
    readable = [*paths.standard_library(), *paths.system(), *paths.DEVICES]
    hidden = paths.site_folders(readable)
    private_root = bool(place.choice.flags & namespaces.MOUNT)
    found: dict[str, str] = dict.fromkeys((Layer.OWN_PROC, Layer.HIDDEN_PROCESSES), "no mount namespace")
    if private_root:
        os.umask(0o022)  # the caller's may be such that the guests' user could not pass the folders made here
        namespaces.enter_mounts()
        inside = namespaces.identities()
        hide = mounts.PROC_OPTIONS[-1:] if Layer.HIDDEN_PROCESSES in place.left_out else mounts.PROC_OPTIONS
        options = () if Layer.OWN_PROC in place.left_out else hide
        refused = mounts.build(f"{place.base}/root", [*readable, *packages], hidden, options)
        found[Layer.OWN_PROC] = refused or ENFORCED
        mounts.enter(f"{place.base}/root")
        found[Layer.HIDDEN_PROCESSES] = refused or ENFORCED  # until a guest has tried
        readable.append("/proc")
    else:
        inside = namespaces.identities()
        readable += [path for path in paths.PROCESS_FILES if Path(path).exists()]
    found |= probe.namespaces_of_zygote(place.outside, inside, f"{place.base}/canary")
    found |= place.choice.reasons
    parent = mounts.SCRATCH_PARENT if private_root else f"{place.base}/scratch"
    return readable, hidden, Scratch(parent, private_root=private_root), found


def _filters(found: dict[str, str], *, may_execute: bool) -> dict[tuple[bool, bool], bytes]:
    machine, both = os.uname().machine, (False, True)
    try:
        return {
            (may_fork, may_thread): seccomp.build(
                machine, may_fork=may_fork, may_thread=may_thread, may_execute=may_execute
            )
            for may_fork in both
            for may_thread in both
        }
    except OSError as error:
        found[Layer.SECCOMP] = linux.errno_name(error)
        return {}


def _choose_user(prepared: Prepared, place: Place, folders: Sequence[str]) -> None:
    """Let guests be the user that was picked if it can read what they need and be killed, and count its tasks."""
    plan = prepared.plan
    state = ENFORCED if os.geteuid() != 0 else place.no_guest_id or LEFT_OUT
    if plan.guest_id is not None:
        guest_id = plan.guest_id
        try:
            state = _try(prepared, lambda: probe.user(guest_id, folders))[Layer.ORDINARY_USER]
        except OSError as error:
            state = linux.errno_name(error)
        if state != ENFORCED:
            plan.guest_id = None
    prepared.layers[Layer.ORDINARY_USER] = state
    counted = "needs a user of the guests' own"
    if plan.guest_id is not None:
        plan.spare_tasks = SPARE_TASKS_ALONE
    elif place.choice.flags & namespaces.USER and os.geteuid() != 0:
        plan.spare_tasks = SPARE_TASKS_SHARED
    else:
        prepared.layers[Layer.PROCESS_COUNT] = counted


def _try(prepared: Prepared, attempt: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Run an attempt in a child with a scratch of its own, kill it as a guest is killed, and clean up.

    Raises:
        OSError: the scratch or the child is beyond this process's power.
        RuntimeError: the child died.
    """
    ours, theirs = socket.socketpair()
    folder = prepared.scratch.fresh(Limits().file_bytes, prepared.plan.guest_id)
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            os.chdir(folder)
            found = attempt()
            theirs.sendall(json.dumps(found).encode() + b"\n")
            theirs.recv(1)  # until it is killed
        finally:
            os._exit(0)
    theirs.close()
    text = b""
    while not text.endswith(b"\n") and select.select([ours], [], [], PROBE_SECONDS)[0]:
        more = ours.recv(1 << 16)
        if not more:
            break
        text += more
    try:
        kill(child)
    finally:
        ours.close()
        os.waitpid(child, 0)
    prepared.scratch.clear(folder)
    if not text.endswith(b"\n"):
        raise RuntimeError("a guest died while it tried its layers; see the lines above")
    tried: dict[str, str] = json.loads(text)
    return tried
