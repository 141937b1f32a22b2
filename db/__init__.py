"""Remembers: runs, candidates, evaluations, arms, model calls, notes, orders. The only room that knows SQLAlchemy.

May import: `evaluators` (values and statistics), SQLAlchemy.
Names: `Archive` (`db.archive`); `RunRecord`, `CandidateRecord`, `EvaluationRecord`, `CallRecord` (`db.records`,
which needs no SQLAlchemy).
"""
