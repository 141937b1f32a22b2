"""Processes of the GPU judge end with whoever asked for them, also where a tool stands between."""

from __future__ import annotations

import subprocess
import sys

WATCHED = """
import sys, time
from evaluators.kernels.gpu import service
service.LOOK_SECONDS = 0.1
service.die_with(int(sys.argv[1]))
print("up", flush=True)
time.sleep(600)
"""
SLEEP = "import time; time.sleep(600)"


def test_a_process_ends_with_the_one_that_asked_although_another_started_it() -> None:
    asks = subprocess.Popen([sys.executable, "-c", SLEEP])
    command = [sys.executable, "-c", WATCHED, str(asks.pid)]
    watched = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert watched.stdout is not None
        assert watched.stdout.readline() == "up\n"
        assert watched.poll() is None
        asks.kill()
        asks.wait()
        assert watched.wait(60) == -9
    finally:
        for process in (asks, watched):
            process.kill()
            process.wait()
        if watched.stdout is not None:
            watched.stdout.close()


def test_a_process_that_comes_too_late_ends_at_once() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert subprocess.run([sys.executable, "-c", WATCHED, str(gone.pid)], check=False, timeout=60).returncode == -9
