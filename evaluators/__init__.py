"""Knows what "good" means: problems, workloads, the judge, statistics, the pool of workers.

May import: `sandbox`, `seeds` (as text), numpy, scipy; Ray in `evaluators.pool` alone.
Names: `Problem`, `Judge`, `Evaluation`, `Outcome`, `EvaluationPool`.
"""
