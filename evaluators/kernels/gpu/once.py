"""Main of a process that obeys one order on a GPU and ends, for a tool that watches all that it does there.

Run as ``python -m evaluators.kernels.gpu.once PARENT INDEX PROBLEM WORKLOAD ORDER REPLY``, the last two being files.
"""

from __future__ import annotations

import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evaluators.kernels.gpu.protocol import Done, Order
from evaluators.kernels.gpu.service import answer, die_with

if TYPE_CHECKING:
    from evaluators.kernels.problem import KernelProblem


def main(arguments: list[str]) -> None:
    """Entry of the process."""
    parent, index, problem, workload, asked, answered = arguments
    die_with(int(parent))
    order: Order = pickle.loads(Path(asked).read_bytes())  # noqa: S301 - from our own parent, see `protocol`
    import torch  # noqa: PLC0415 - before anything else that could make the CUDA context

    from evaluators.kernels.gpu.device import open_bench  # noqa: PLC0415
    from evaluators.kernels.gpu.memory import Apart  # noqa: PLC0415
    from evaluators.registry import load_problem  # noqa: PLC0415

    task = cast("KernelProblem", load_problem(problem, workload)).task
    bench, stream = open_bench(task, int(index), lambda _: None)
    with torch.cuda.stream(stream):
        reply = answer(replace(bench, room=Apart), order)
    Path(answered).write_bytes(pickle.dumps(reply))
    if not isinstance(reply, Done):
        # To free a lost context can fail or hang, and the tool has told by now.
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
