"""A system-call filter in classic BPF: no processes or threads, no sockets, no kernel interface beyond need.

Format and semantics: Linux ``Documentation/userspace-api/seccomp_filter.rst``; the numbers are those of the
kernel's ``unistd.h`` for each architecture.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

from sandbox.inside import linux

LOAD_WORD = 0x20
JUMP_EQUAL = 0x15
JUMP_GREATER_OR_EQUAL = 0x35
JUMP_ANY_BIT = 0x45
RETURN = 0x06
INSTRUCTION_BYTES = 8
ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
REFUSE = 0x00050000  # or-ed with the errno

OFFSET_NUMBER = 0
OFFSET_ARCHITECTURE = 4
OFFSET_FIRST_ARGUMENT = 16
OFFSET_SECOND_ARGUMENT = 24

CLONE_THREAD = 0x00010000
CLONE_NEW_ANYTHING = 0x7E020000
SET_MODE_FILTER = 1
X32_BIT = 0x40000000
OWN_PID = 0x7EADBEEF  # stands for the process's id until the filter is applied; no real id is as large

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_SHARED = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
    "memfd_secret": 447,
}  # fmt: skip
NUMBERS = {
    "x86_64": {
        **_SHARED,
        "ioctl": 16, "shmget": 29, "socket": 41, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
        "semget": 64, "msgget": 68, "fcntl": 72, "ptrace": 101, "syslog": 103, "rt_sigqueueinfo": 129,
        "personality": 135,
        "setpriority": 141, "sched_setparam": 142, "sched_setscheduler": 144, "modify_ldt": 154,
        "pivot_root": 155, "adjtimex": 159, "chroot": 161, "sync": 162, "acct": 163,
        "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
        "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
        "delete_module": 176, "quotactl": 179, "tkill": 200, "sched_setaffinity": 203, "timer_create": 222,
        "clock_settime": 227,
        "tgkill": 234, "mq_open": 240, "kexec_load": 246, "add_key": 248, "request_key": 249, "keyctl": 250,
        "ioprio_set": 251, "migrate_pages": 256, "unshare": 272, "move_pages": 279, "rt_tgsigqueueinfo": 297,
        "perf_event_open": 298, "fanotify_init": 300, "prlimit64": 302, "name_to_handle_at": 303,
        "open_by_handle_at": 304, "clock_adjtime": 305, "syncfs": 306, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "sched_setattr": 314,
        "memfd_create": 319,
        "kexec_file_load": 320, "bpf": 321, "execveat": 322, "userfaultfd": 323,
    },
    "aarch64": {
        **_SHARED,
        "fcntl": 25, "ioctl": 29, "ioprio_set": 30, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51,
        "quotactl": 60, "sync": 81,
        "acct": 89,
        "personality": 92, "unshare": 97, "kexec_load": 104, "init_module": 105, "delete_module": 106,
        "timer_create": 107, "clock_settime": 112, "syslog": 116, "ptrace": 117, "sched_setparam": 118,
        "sched_setscheduler": 119, "sched_setaffinity": 122, "kill": 129,
        "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "setpriority": 140, "reboot": 142, "sethostname": 161,
        "setdomainname": 162, "settimeofday": 170, "adjtimex": 171, "mq_open": 180, "msgget": 186,
        "semget": 190, "shmget": 194, "socket": 198, "add_key": 217, "request_key": 218, "keyctl": 219,
        "clone": 220, "execve": 221, "swapon": 224, "swapoff": 225, "migrate_pages": 238, "move_pages": 239,
        "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "prlimit64": 261, "fanotify_init": 262,
        "name_to_handle_at": 264, "open_by_handle_at": 265, "clock_adjtime": 266, "syncfs": 267, "setns": 268,
        "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "finit_module": 273, "sched_setattr": 274,
        "memfd_create": 279, "bpf": 280, "execveat": 281, "userfaultfd": 282, "kexec_file_load": 294,
    },
}  # fmt: skip

# Commands that make the kernel send signals for a process, past the rules for kill, or leave a lease on a file.
FCNTL_COMMANDS = (8, 10, 15, 1024, 1026)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY
IOCTL_COMMANDS = (0x8901, 0x8902, 0x5452)  # FIOSETOWN, SIOCSPGRP, FIOASYNC

FORKS = ("fork", "vfork")
EXECUTES = ("execve", "execveat")
SIGNALS_OWN_PROCESS = ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, operand)


def _refuse(number: int) -> bytes:
    return _instruction(RETURN, REFUSE | number)


def _only_own_process(*, zero_too: bool = False) -> bytes:
    """Allow the call only where its first argument is the process itself (or zero, its other name)."""
    return (
        _instruction(LOAD_WORD, OFFSET_FIRST_ARGUMENT)
        + (_instruction(JUMP_EQUAL, 0, 1, 0) if zero_too else b"")
        + _instruction(JUMP_EQUAL, OWN_PID, 0, 1)
        + _instruction(RETURN, ALLOW)
        + _refuse(errno.EPERM)
    )


def _clone(*, may_fork: bool, may_thread: bool) -> bytes:
    """A thread is a clone with CLONE_THREAD; where fork is allowed, only new namespaces are refused."""
    if not (may_fork or may_thread):
        return _refuse(errno.EPERM)
    bits, refuse_if_set = (CLONE_NEW_ANYTHING, 1) if may_fork else (CLONE_THREAD, 0)
    return (
        _instruction(LOAD_WORD, OFFSET_FIRST_ARGUMENT)
        + _instruction(JUMP_ANY_BIT, bits, refuse_if_set, 1 - refuse_if_set)
        + _instruction(RETURN, ALLOW)
        + _refuse(errno.EPERM)
    )


def _without(commands: Sequence[int]) -> bytes:
    """Refuse the call where its second argument is one of these commands."""
    count = len(commands)
    tests = b"".join(_instruction(JUMP_EQUAL, command, count - index, 0) for index, command in enumerate(commands))
    load = _instruction(LOAD_WORD, OFFSET_SECOND_ARGUMENT)
    return load + tests + _instruction(RETURN, ALLOW) + _refuse(errno.EPERM)


def _decide(rules: Sequence[tuple[int, bytes]]) -> bytes:
    """Find the rule for a system call by bisection; what has none is allowed."""
    if len(rules) == 1:
        number, block = rules[0]
        allow = _instruction(RETURN, ALLOW)
        return _instruction(JUMP_EQUAL, number, 0, len(block) // INSTRUCTION_BYTES) + block + allow
    half = len(rules) // 2
    below = _decide(rules[:half])
    skip = _instruction(JUMP_GREATER_OR_EQUAL, rules[half][0], len(below) // INSTRUCTION_BYTES, 0)
    return skip + below + _decide(rules[half:])


def build(machine: str, *, may_fork: bool, may_thread: bool, may_execute: bool) -> bytes:
    """Write the filter, once for many processes; `apply` puts in the id of each.

    Args:
        machine: architecture, as ``os.uname`` has it.
        may_fork: processes may be started, and signals sent to others than the process itself.
        may_thread: threads may be started; without, a program cannot compute while nobody waits for it.
        may_execute: a process that may fork may also start other programs.

    Raises:
        OSError: the architecture is not known here.
    """
    if machine not in NUMBERS:
        raise OSError(errno.ENOSYS, f"no system-call numbers for {machine}")
    numbers = NUMBERS[machine]
    rules = {name: _refuse(errno.EPERM) for name in numbers}
    # clone3 hides its flags behind a pointer; ENOSYS makes the C library fall back to clone.
    rules["clone3"] = _refuse(errno.ENOSYS)
    rules["clone"] = _clone(may_fork=may_fork, may_thread=may_thread)
    rules["fcntl"] = _without(FCNTL_COMMANDS)
    rules["ioctl"] = _without(IOCTL_COMMANDS)
    rules["prlimit64"] = _only_own_process(zero_too=True)
    for name in SIGNALS_OWN_PROCESS:
        rules[name] = _only_own_process()
    if may_fork:
        for name in (*FORKS, *SIGNALS_OWN_PROCESS, *(EXECUTES if may_execute else ())):
            rules.pop(name, None)
    program = [
        _instruction(LOAD_WORD, OFFSET_ARCHITECTURE),
        _instruction(JUMP_EQUAL, ARCHITECTURES[machine], 1, 0),
        _instruction(RETURN, KILL_PROCESS),
        _instruction(LOAD_WORD, OFFSET_NUMBER),
    ]
    if machine == "x86_64":  # the x32 interface has numbers of its own for everything below
        program += [_instruction(JUMP_GREATER_OR_EQUAL, X32_BIT, 0, 1), _refuse(errno.EPERM)]
    program.append(_decide(sorted((numbers[name], block) for name, block in rules.items())))
    return b"".join(program)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def apply(code: bytes) -> None:
    """Install a filter for this process and all it starts; needs `privileges.gain_nothing` first.

    Raises:
        OSError: the kernel refuses.
    """
    code = code.replace(struct.pack("<I", OWN_PID), struct.pack("<I", os.getpid()))
    program = _Program(len(code) // INSTRUCTION_BYTES, code)
    number = linux.SYS_SECCOMP[os.uname().machine]
    linux.syscall("seccomp", number, SET_MODE_FILTER, 0, ctypes.byref(program))
