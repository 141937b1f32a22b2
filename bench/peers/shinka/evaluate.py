"""The evaluation program of ShinkaEvolve: a process for each candidate, which asks the referee.

It writes metrics.json and correct.json as the tool expects them; a failure is not correct and has `combined_score` 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from driving import judge


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path", required=True)
    parser.add_argument("--results_dir", required=True)
    options = parser.parse_args()
    verdict = judge(Path(options.program_path).read_text())
    failed = verdict.score is None
    results = Path(options.results_dir)
    results.mkdir(parents=True, exist_ok=True)
    metrics = {"combined_score": verdict.combined, "public": {}, "private": {}, "text_feedback": ""}
    told = {"correct": not failed, "error": f"{verdict.outcome}: {verdict.reason}" if failed else None}
    (results / "metrics.json").write_text(json.dumps(metrics))
    (results / "correct.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
