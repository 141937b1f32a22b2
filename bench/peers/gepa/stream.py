"""Sends a stream of candidates through GEPA: its loop and its `execute_code`, here or (PEERS_MODE) in a process.

`optimize_anything` has no time limit for an evaluator; the 5 s are `execute_code`'s.
"""

from __future__ import annotations

import os

from adapter import Evaluation, search
from driving import read_job
from gepa.utils.code_execution import ExecutionMode, execute_code
from local_evaluator import note


def evaluate(candidate: str) -> Evaluation:
    result = execute_code(
        candidate, timeout=5, mode=ExecutionMode(os.environ.get("PEERS_MODE", "in_process")), entry_point="value"
    )
    try:
        score = float(result.variables["__return__"])
    except (KeyError, TypeError, ValueError):
        return 0.0, {"Error": result.error or "no number"}
    note(candidate, score)
    return score, result.to_side_info_dict()


if __name__ == "__main__":
    search(read_job(offset=0.0), evaluate, lambda _state: False, cache=False)
