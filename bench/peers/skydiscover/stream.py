"""Sends a stream of candidates through SkyDiscover: its loop and evaluator, a plain evaluator file, 5 s for each."""

from __future__ import annotations

from adapter import PEERS, search
from driving import read_job

if __name__ == "__main__":
    search(read_job(offset=0.0), PEERS / "local_evaluator.py", timeout_seconds=5)
