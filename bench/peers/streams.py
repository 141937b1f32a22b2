"""Clean and faulty streams of trivial candidates through each tool's own loop and evaluation, and ours beside them.

    python bench/peers/streams.py                          all that are installed, and ours
    python bench/peers/streams.py gepa ours-serial         these
    python bench/peers/streams.py --apart hang,nan gepa    a stream for each of these faults instead
    python bench/peers/streams.py --apart all              a stream for each fault

A stream has programs that return a constant; in the faulty one a fifth instead exits, hangs, touches 1 GB of memory
(and then returns its constant), prints and returns garbage, or returns NaN. A peer gets them as the answers of a model,
one for each request, and has 5 s for each evaluation by its own setting; its rate holds its whole loop. Ours go through
a pool alone, without the static screen. Prints one Markdown table. A run ends after --limit seconds; what it has left
running then, or after its own end, is counted and ended.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time

from install import NAMES, venv_python
from stream_run import FAULTS, ORDER, OUR_FORM, PEERS, Outcome, make_stream, run_peer

KNOWN = ("openevolve", "shinka", "gepa", "gepa-subprocess", "skydiscover", "ours-serial", "ours-ray")
MIXED_COUNT, APART_COUNT = 40, 20
MIXED_HEAD = (
    "clean, candidates/s",
    "faulty, candidates/s",
    "honest with their true score",
    "driver survived",
    "processes left",
    "best named",
)


def run_ours(row: str, count: int, faults: tuple[str, ...]) -> Outcome:
    """One stream through a pool of ours, without the static screen, which would turn most faults away."""
    sys.path.insert(0, str(PEERS.parent))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(PEERS.parent), os.environ.get("PYTHONPATH", "")])
    from hostile_stream import Unscreened, judge_all, make_pool  # noqa: PLC0415 - needs the package; peers do not

    from sandbox import descendants  # noqa: PLC0415

    stream = make_stream(OUR_FORM, count, faults, "np.full(size, {score})", "np.full(size, np.nan)")
    spec = Unscreened(problem=str(PEERS.parent / "trivial"), workload="1", secret=bytes(32))
    pool = make_pool(row.removeprefix("ours-"), spec)
    try:
        judge_all(pool, [stream[0].source] * 4)
        before = descendants(os.getpid())
        started = time.perf_counter()
        evaluations, _ = judge_all(pool, [each.source for each in stream])
        took = time.perf_counter() - started
        left = len(set(descendants(os.getpid())) - set(before))
    finally:
        pool.close()
    pairs = list(zip(stream, evaluations, strict=True))
    honest = [(each, found) for each, found in pairs if each.fault is None]
    leader, score = max(((each, found.score) for each, found in pairs if found.score is not None), key=lambda p: p[1])
    return Outcome(
        per_second=count / took,
        honest=len(honest),
        right=sum(found.score is not None and math.isclose(found.score, 200 * each.score) for each, found in honest),
        survived="yes",
        left=str(left),
        best="honest" if leader.fault in {None, "1 GB"} and math.isfinite(score) else f"wrong ({score})",
    )


def run(row: str, count: int, faults: tuple[str, ...], limit_seconds: float) -> Outcome:
    """One stream through one tool."""
    if row.startswith("ours-"):
        return run_ours(row, count, faults)
    return run_peer(row, count, faults, limit_seconds)


def rate(outcome: Outcome) -> str:
    return "-" if outcome.per_second is None else f"{outcome.per_second:.2f}"


def mixed_cells(row: str, limit_seconds: float) -> list[str]:
    """A clean stream and one with all faults."""
    clean = run(row, MIXED_COUNT, (), limit_seconds)
    faulty = run(row, MIXED_COUNT, ORDER, limit_seconds)
    return [
        rate(clean),
        rate(faulty),
        f"{faulty.right} of {faulty.honest} (clean {clean.right} of {clean.honest})",
        faulty.survived if clean.survived == "yes" else f"{faulty.survived} (clean {clean.survived})",
        faulty.left if clean.left == "0" else f"{faulty.left} (clean {clean.left})",
        faulty.best if clean.best == "honest" else f"{faulty.best} (clean {clean.best})",
    ]


def apart_cells(row: str, faults: list[str], limit_seconds: float) -> list[str]:
    """A stream for each fault; a cell tells what was not as it should be."""
    cells = []
    for fault in faults:
        found = run(row, APART_COUNT, (fault,), limit_seconds)
        wrong = [f"{found.right} of {found.honest}"] if found.right < found.honest else []
        wrong += [f"driver {found.survived}"] if found.survived != "yes" else []
        wrong += [f"{found.left} processes left"] if found.left != "0" else []
        wrong += [f"best: {found.best}"] if found.best != "honest" else []
        cells.append("; ".join(wrong) or "good")
    return cells


def line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="TOOL", help=f"of {', '.join(KNOWN)} (default all)")
    parser.add_argument("--apart", metavar="FAULTS", help=f"'all' or a list of {', '.join(FAULTS)}")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds for one stream through one peer")
    options = parser.parse_args()
    unknown = sorted(set(options.rows) - set(KNOWN))
    if unknown:
        parser.error(f"no such tool: {', '.join(unknown)}; there are {', '.join(KNOWN)}")
    apart = list(FAULTS) if options.apart == "all" else options.apart.split(",") if options.apart else []
    if set(apart) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(sorted(set(apart) - set(FAULTS)))}; there are {', '.join(FAULTS)}")
    head = ["tool", *(apart or MIXED_HEAD)]
    print(line(head))
    print(line(["---"] * len(head)))
    for row in options.rows or KNOWN:
        peer = row.partition("-")[0]
        if peer in NAMES and not venv_python(peer).exists():
            print(f"{row}: not installed; run bench/peers/install.py {peer}", file=sys.stderr)
            continue
        cells = apart_cells(row, apart, options.limit) if apart else mixed_cells(row, options.limit)
        print(line([row, *cells]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
