"""Tasks of other evolvers, run unmodified: their own evaluator scores, in our sandbox, and every score is its claim.

May import numpy no more than the problem protocol does, and YAML. Names: `load_foreign`, `ForeignProblem`; `CLAIM`,
`is_claim` for whoever shows scores.
"""
