"""Remembers: runs, programs, candidates, lineage, evaluations. The only room that knows SQLAlchemy.

May import: `evaluators` (values and statistics), SQLAlchemy.
Names: `Archive` (`db.archive`); `RunRecord`, `CandidateRecord`, `EvaluationRecord`, `Standing` (`db.records`,
which needs no SQLAlchemy).
"""
