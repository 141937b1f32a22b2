"""Main of the GPU judge process: serves orders over a connection until it ends, its parent does, or a context is lost.

Run by `client.Gpu` as ``python -m evaluators.kernels.gpu.service FD PARENT INDEX PROBLEM WORKLOAD``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, cast

from evaluators.kernels.gpu.protocol import GUARDS, Broken, Done, Job, Order, Ready, Refused, Reply
from evaluators.problem import RefusedError

if TYPE_CHECKING:
    from evaluators.kernels.gpu.match import Bench
    from evaluators.kernels.problem import KernelProblem

LOOK_SECONDS = 2.0
"""How often the process looks whether its parent is still there; a hung kernel keeps it from noticing otherwise."""

REASON_CHARACTERS = 2000


def die_with(parent: int) -> None:
    """Kill this process soon after the one that started it is gone, whatever it does; a tool may stand between them."""
    nearest = os.getppid()

    def look() -> None:
        while os.getppid() == nearest and _is_there(parent):
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=look, daemon=True).start()


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def answer(bench: Bench, order: Order) -> Reply:
    """Do what is ordered; a candidate's failure is an answer too, and so is one of ours."""
    # Imported late: torch comes first in the process, and not at all where only the protocol is wanted.
    from evaluators.kernels.gpu import judging  # noqa: PLC0415
    from evaluators.kernels.gpu.blame import CandidateError  # noqa: PLC0415

    try:
        match order.job:
            case Job.MEASURE:
                return Done(value=judging.measure(bench, order.request))
            case Job.CHECK:
                judging.check(bench, order.request)
                return Done(value=None)
            case Job.RUN:
                judging.run(bench, order.request)
                return Done(value=None)
            case Job.NEEDED:
                return Done(value=judging.right_without(bench, order.request, int(order.options["launch"])))
            case Job.COLUMN:
                return Done(value=judging.column(bench, order.request, str(order.options["name"])))
    except RefusedError as error:
        # Whoever wrote out of bounds once may have written elsewhere too: nothing of this process is kept.
        return Refused(outcome=error.outcome, reason=error.reason, check=error.check, fatal=error.check == GUARDS)
    except CandidateError as error:
        return Refused(outcome=error.outcome, reason=error.reason, check="", fatal=error.fatal)
    except Exception as error:  # noqa: BLE001 - whatever else fails is the judge's; the client raises it
        told = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        return Broken(reason=told[:REASON_CHARACTERS])


def serve(connection: Connection, problem: str, workload: str, index: int) -> None:
    """Serve until the other end closes or the context is lost."""
    import torch  # noqa: PLC0415 - before anything else that could make the CUDA context

    from evaluators.kernels.gpu.device import open_bench  # noqa: PLC0415
    from evaluators.registry import load_problem  # noqa: PLC0415

    task = cast("KernelProblem", load_problem(problem, workload)).task
    bench, stream = open_bench(task, index, connection.send)
    connection.send(Ready(facts=bench.facts))
    with torch.cuda.stream(stream):
        while True:
            try:
                order = connection.recv()
            except EOFError:
                return
            reply = answer(bench, order)
            connection.send(reply)
            if isinstance(reply, Broken) or (isinstance(reply, Refused) and reply.fatal):
                return


def main(arguments: list[str]) -> None:
    """Entry of the process."""
    descriptor, parent, index, problem, workload = arguments
    die_with(int(parent))
    connection = Connection(int(descriptor))
    try:
        serve(connection, problem, workload, int(index))
    finally:
        connection.close()
        # Freeing a lost context can fail or hang; the driver frees everything when the process is gone.
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
