"""Runs untrusted programs under limits and hands back raw bytes.

May import: the standard library, on Linux (5.3 or later). Knows no problem, no score, no array library.
Names: `Sandbox`, `Session`, `Limits`, `Execution`, `Buffer`; `Layer`, `Tier`, `tier_of`, `missing_for`.

Covered, where `Sandbox.layers` says "enforced" (each `Layer` was tried at the start, or its reason is there; `Tier`
sums them up):

- hanging, crashing, exiting, ignoring signals, hoarding memory, printing without end, replying too much or in
  the wrong form: told as an `Ending`, and the next program is undisturbed;
- other processes: not seen, not signalled, not traced; none started unless the limits allow it, and then a
  bounded number; none left;
- other programs: none can be executed but those that the caller names (``programs``), by guests that may have
  processes (where none is named the system-call filter refuses, else Landlock);
- working while no clock runs: the guest process is stopped between two calls with all its threads, a call ends when it
  rests, and nothing of its own can continue it; threads are refused unless the limits allow them;
- files: the standard library and the preloaded packages are readable, a small private scratch folder is
  writable, nothing else exists; scratch is empty for every program;
- the user: guests of root are another user, with an id of the sandbox's own, that owns nothing and has no group;
- network and every other socket, kernel interfaces that policies do not need, privileges, environment,
  inherited descriptors, System V and POSIX message queues and shared memory;
- replies of anybody but the guest process itself: the kernel tells who wrote (children have the channel too);
- memory, tasks and processors of all its processes together, by a control group where one may be made.

Not covered:

- a forged reply: a program can always write to its own channel, so a reply is a claim to be checked, never a
  verdict; the caller's clock is the only one, but where ``processes`` are allowed those that a program has started
  may go on working between two calls;
- exact numbers of tasks: 8 beyond the limits are let pass (64 for an ordinary user's guests, whose own other
  processes count with old kernels); memory together: 64 MiB and what scratch holds beyond the limit;
- without control groups: memory of several processes together (``memory_bytes`` holds for each);
- what a named program does, and machine code: the named programs' dynamic loader can be executed too, which runs
  whatever may be read, and a program can map code into its own process; without Landlock, a guest to which a program
  is named can execute all that it finds (with a mount namespace: nothing of its own making);
- without a mount namespace: the size of scratch as a whole, and the files' names, sizes, permissions and extended
  attributes (Landlock hides contents), which an ordinary user's guest could even change on that user's files;
- without Landlock and mount namespace: files are open to the extent that the guest's user may read and write
  them: to an ordinary user's guests all that is the user's, to root's all that everybody may, and everything
  where root's guests cannot be another user;
- with control groups of version 2, limits that hold for the caller's own group alone: guests run in one beside it;
- control groups when launcher and caller are both killed at once: empty, they stay until the next sandbox starts;
- a few bits from one program to the next through the kernel's counters (process numbers, faults of the zygote);
  what a program was told or has printed never passes through the zygote, which the next is a copy of;
- side channels between programs on shared hardware, faults of the kernel, and GPUs.
"""

from __future__ import annotations

from sandbox.inside.cleaning import adopting_orphans, descendants
from sandbox.layers import ENFORCED, LEFT_OUT, Layer
from sandbox.limits import Buffer, Ending, Execution, Json, Limits, SandboxError, Value
from sandbox.sandbox import Sandbox
from sandbox.session import Session
from sandbox.tiers import Tier, missing_for, tier_of

__all__ = [
    "ENFORCED",
    "LEFT_OUT",
    "Buffer",
    "Ending",
    "Execution",
    "Json",
    "Layer",
    "Limits",
    "Sandbox",
    "SandboxError",
    "Session",
    "Tier",
    "Value",
    "adopting_orphans",
    "descendants",
    "missing_for",
    "tier_of",
]
