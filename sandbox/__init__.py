"""Runs untrusted programs under limits and hands back raw bytes.

May import: the standard library, on Linux. Knows no problem, no score, no array library.
Names: `Sandbox`, `Session`, `Limits`, `Execution`, `Buffer`.
"""

from __future__ import annotations

from sandbox.limits import Buffer, Ending, Execution, Json, Limits, SandboxError, Value

__all__ = ["Buffer", "Ending", "Execution", "Json", "Limits", "SandboxError", "Value"]
