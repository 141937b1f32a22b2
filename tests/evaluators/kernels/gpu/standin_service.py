"""A GPU judge process without a GPU: what it does with an order is its problem's name."""

from __future__ import annotations

import os
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from evaluators.kernels.floor import GpuFacts
from evaluators.kernels.gpu.protocol import (
    ALL_LAUNCHES,
    Broken,
    Column,
    Done,
    Job,
    Measurement,
    Order,
    Ready,
    Refused,
    Turn,
)
from evaluators.model import Outcome
from evaluators.timing import Timing

FACTS = GpuFacts(
    name="stand-in", architecture=90, sms=1, l2_bytes=1, memory_bytes=1, shared_bytes=1, bandwidth=1.0, bf16_flops=1.0,
    fp32_flops=1.0, driver="0", cuda="0", torch="0", triton="",
)  # fmt: skip
TIMING = Timing(
    ratio=2.0,
    low=1.9,
    high=2.1,
    stderr=0.01,
    n=24,
    seconds=1e-5,
    baseline_seconds=2e-5,
    channel_seconds=2e-6,
    ceiling=9.0,
)


def measurement() -> Measurement:
    return Measurement(
        timing=TIMING, floor_seconds=5e-6, empty_seconds=2e-6, roofline_seconds=5e-6, bandwidth=1.0, flops=1.0,
        registers=os.getpid(), local_bytes=0, shared_bytes=0, launches=1, samples_checked=3,
    )  # fmt: skip


def wait(folder: Path) -> None:
    """Say who waits, and go on as soon as one may, or whoever asked is gone."""
    if (folder / "go").exists():
        return
    parent = os.getppid()
    draft = folder / f"waits.{os.getpid()}"
    draft.write_text(str(os.getpid()), encoding="utf-8")
    draft.replace(folder / "waits")
    while not (folder / "go").exists():
        if os.getppid() != parent:
            os._exit(0)
        time.sleep(0.05)


def misbehave(connection: Connection, problem: str, order: Order) -> None:
    if problem == "slow, then hang of its own":
        time.sleep(1.5)
        connection.send(Turn(candidate=False))
        time.sleep(600)
    if problem.startswith("hang"):
        time.sleep(600)
    if problem.startswith("die of the candidate") and order.request.candidate != order.request.baseline:
        _, _, spared = problem.partition(" but once in ")
        if not spared:
            os._exit(3)
        if not Path(spared).exists():
            Path(spared).touch()
            os._exit(3)
    if problem.startswith("wait in ") and order.request.candidate != order.request.baseline:
        wait(Path(problem.removeprefix("wait in ")))
    if problem == "die":
        sys.stdout.write("something went wrong here\n")
        sys.stdout.flush()
        os._exit(3)


def answer(connection: Connection, problem: str, order: Order) -> Any:
    connection.send(Turn(candidate=problem != "hang of its own"))
    misbehave(connection, problem, order)
    if problem == "broken":
        return Broken(reason="the task is broken")
    if problem in {"refuse", "fatal"}:
        return Refused(outcome=Outcome.CRASHED, reason=str(os.getpid()), check="guards", fatal=problem == "fatal")
    if order.job is Job.NEEDED:
        return Done(value=order.options["launch"] in {1, ALL_LAUNCHES if problem == "decoy" else 1})
    if order.job is Job.CHECK and problem == "wrong":
        return Refused(outcome=Outcome.WRONG, reason="wrong", check="x", fatal=False)
    if order.job is Job.COLUMN:
        return Done(value=Column(timing=TIMING) if order.options["name"] == "eager" else Column(reason="no library"))
    return Done(value=measurement())


def main(descriptor: str, parent: str, index: str, problem: str, workload: str) -> None:
    if problem == "no start":
        sys.exit("no GPU at all")
    connection = Connection(int(descriptor))
    connection.send(Ready(facts=FACTS))
    while True:
        try:
            order = connection.recv()
        except EOFError:
            return
        reply = answer(connection, problem, order)
        connection.send(reply)
        if isinstance(reply, Broken) or (isinstance(reply, Refused) and reply.fatal):
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
