"""Attacks a problem's evaluator on purpose: cheats, corrupted replies, switched-off checks, and honest controls.

Names: `audit`, `AuditPlan`, `Finding`, `Verdict`. Everything that it needs of a problem is what the problem declares.
"""

from __future__ import annotations

from evaluators.audit.findings import Finding, Verdict
from evaluators.audit.run import AuditPlan, audit

__all__ = ["AuditPlan", "Finding", "Verdict", "audit"]
