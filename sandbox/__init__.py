"""Runs untrusted programs under limits and hands back raw bytes.

May import: the standard library, on Linux (5.3 or later). Knows no problem, no score, no array library.
Names: `Sandbox`, `Session`, `Limits`, `Execution`, `Buffer`.

Covered, where `Sandbox.layers` says "enforced":

- hanging, crashing, exiting, ignoring signals, hoarding memory, printing without end, replying too much or in
  the wrong form: told as an `Ending`, and the next program is undisturbed;
- other processes: not seen, not signalled, not traced; none started unless the limits allow it; none left;
- files: the standard library and the preloaded packages are readable, a small private scratch folder is
  writable, nothing else exists; scratch is empty for every program;
- network and every other socket, kernel interfaces that policies do not need, privileges, environment,
  inherited descriptors, System V and POSIX message queues and shared memory.

Not covered:

- a forged reply: a program can always write to its own channel, so a reply is a claim to be checked, never a
  verdict; the caller's clock is the only one, but threads of a program may go on working between two calls;
- memory of several processes together (`memory_bytes` holds for each), and their exact number: root's are not
  counted by the kernel, an ordinary user's are bounded at some 64 above the limit;
- programs beyond Python: with ``processes`` a guest may fork, but finds nothing to execute;
- without a mount namespace: the size of scratch as a whole, and the files' names (Landlock hides contents);
- without Landlock and namespaces, or with root and neither: files are open to the extent that the user's
  permissions are. `Sandbox.layers` tells; to refuse such a machine is the caller's decision;
- a few bits from one program to the next through the kernel's counters (process numbers, faults of the zygote);
  what a program was told or has printed never passes through the zygote, which the next is a copy of;
- side channels between programs on shared hardware, faults of the kernel, and GPUs.
"""

from __future__ import annotations

from sandbox.limits import Buffer, Ending, Execution, Json, Limits, SandboxError, Value
from sandbox.sandbox import Sandbox
from sandbox.session import Session

__all__ = [
    "Buffer",
    "Ending",
    "Execution",
    "Json",
    "Limits",
    "Sandbox",
    "SandboxError",
    "Session",
    "Value",
]
