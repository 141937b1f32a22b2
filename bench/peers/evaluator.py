"""The evaluator file of OpenEvolve and SkyDiscover: `evaluate(path) -> metrics`, which asks the referee.

A failure has `combined_score` 0 and an `error`, as both tools' own examples do it; see `driving.OFFSET`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from driving import judge


def evaluate(program_path: str) -> dict[str, object]:
    verdict = judge(Path(program_path).read_text())
    if verdict.score is None:
        return {"combined_score": verdict.combined, "error": f"{verdict.outcome}: {verdict.reason}"}
    return {"combined_score": verdict.combined}
