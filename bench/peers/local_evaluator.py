"""A plain evaluator file as the peers' examples have it: it imports the program, calls it and returns its score.

Every score that it returned is also a line of the file that PEERS_LOG names, so that a driver's end loses none.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import time
from pathlib import Path


def note(source: str, score: float) -> None:
    """Appends which candidate got which score, and when."""
    number = re.search(r"# candidate (\d+)", source)
    line = {"candidate": int(number[1]) if number else -1, "score": score, "at": time.time()}
    with Path(os.environ["PEERS_LOG"]).open("a") as log:
        log.write(json.dumps(line) + "\n")


def evaluate(program_path: str) -> dict[str, object]:
    try:
        spec = importlib.util.spec_from_file_location("program", program_path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        score = float(module.value())
    except Exception as error:  # noqa: BLE001 - as the examples do
        return {"combined_score": 0.0, "error": str(error)}
    note(Path(program_path).read_text(), score)
    return {"combined_score": score}
