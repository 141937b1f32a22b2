"""Names of the layers that confine a guest, and the states that `Sandbox.layers` gives them."""

from __future__ import annotations

from enum import StrEnum

ENFORCED = "enforced"
LEFT_OUT = "left out"


class Layer(StrEnum):
    """One thing that stands between a guest and the machine."""

    USER_NAMESPACE = "user namespace"
    MOUNT_NAMESPACE = "mount namespace"
    PID_NAMESPACE = "pid namespace"
    NETWORK_NAMESPACE = "network namespace"
    IPC_NAMESPACE = "ipc namespace"
    UTS_NAMESPACE = "uts namespace"
    OWN_PROC = "own /proc"
    HIDDEN_PROCESSES = "hidden processes"
    ORDINARY_USER = "ordinary user"
    CAPABILITIES = "capabilities"
    NO_NEW_PRIVILEGES = "no new privileges"
    LANDLOCK = "landlock"
    RESOURCE_LIMITS = "resource limits"
    PROCESS_COUNT = "process count"
    SECCOMP = "seccomp"
    CGROUP_MEMORY = "cgroup memory"
    CGROUP_TASKS = "cgroup tasks"
    CGROUP_CPU = "cgroup cpu"
