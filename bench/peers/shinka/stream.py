"""Sends a stream of candidates through ShinkaEvolve: its loop, a process for each candidate, 5 s for each."""

from __future__ import annotations

from pathlib import Path

from adapter import search
from driving import read_job

if __name__ == "__main__":
    search(read_job(offset=0.0), Path(__file__).resolve().with_name("local_evaluate.py"), time="00:00:05")
