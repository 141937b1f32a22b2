"""A plain evaluation program that writes what the tool reads.

Not by the tool's `run_shinka_eval`: importing that takes five seconds of processor time, which is the whole limit. Like
that, it calls a program incorrect whose score is not finite.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from local_evaluator import evaluate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path", required=True)
    parser.add_argument("--results_dir", required=True)
    options = parser.parse_args()
    found = evaluate(options.program_path)
    metrics = {"combined_score": found["combined_score"], "public": {}, "private": {}}
    results = Path(options.results_dir)
    results.mkdir(parents=True, exist_ok=True)
    (results / "metrics.json").write_text(json.dumps(metrics))
    error = found.get("error") or (None if math.isfinite(found["combined_score"]) else "the score is not finite")
    (results / "correct.json").write_text(json.dumps({"correct": error is None, "error": error}))


if __name__ == "__main__":
    main()
