"""compute-sanitizer's report is read strictly, and a tool that is not there or fails is nobody's fault."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.gpu import sanitizer
from evaluators.kernels.gpu.protocol import Job, Order, Request
from evaluators.kernels.gpu.sanitizer import Verdict, read_report, sanitized
from evaluators.kernels.plan import Kernel, LaunchPlan, Recording
from evaluators.kernels.task import Case, KernelWorkload
from evaluators.timing import Plan

CALL = Call(name="c", tensors={"x": Form(dtype="int32", shape=(4,))}, outputs=())
RECORDING = Recording(
    plans={"c": LaunchPlan(call=CALL, storages=(), steps=(), outputs=())},
    kernels=(Kernel(name="_gate", cubin=0, num_warps=1, num_ctas=1, shared_bytes=0),),
    cubins=(b"\x7fELF",),
    architecture=90,
    triton="3.6",
)
ORDER = Order(
    job=Job.RUN,
    request=Request(
        workload=KernelWorkload(name="w", timed=Case(call=CALL, law="normal", seed=1)),
        candidate=RECORDING,
        baseline=RECORDING,
        empty=RECORDING,
        seed=b"seed",
        plan=Plan(),
    ),
)

CLEAN = "========= COMPUTE-SANITIZER\n========= ERROR SUMMARY: 0 errors\n"
BEYOND = """========= COMPUTE-SANITIZER
========= Invalid __global__ read of size 4 bytes
=========     at {place}
=========     by thread (31,0,0) in block (7,0,0)
=========     Access to 0x7f2a00000c40 is out of bounds
=========     and is 1 bytes after the nearest allocation at 0x7f2a00000000 of size 3,136 bytes
=========
========= Program hit CUDA_ERROR_LAUNCH_FAILED (error 719) due to "unspecified launch failure"
=========
========= ERROR SUMMARY: 2 errors
"""


@pytest.mark.parametrize(
    "place", ["_gate+0x160", "_gate+0x160 in kernels.py:31", "0x160 in _gate", "0x160 in k.py:3:_gate"]
)
def test_a_read_beyond_a_buffer_is_the_candidates(place: str) -> None:
    found = read_report(BEYOND.format(place=place), ["_other", "_gate"])
    assert found.verdict is Verdict.FAULTY
    assert found.told == f"Invalid __global__ read of size 4 bytes at {place}, 1 bytes after the nearest buffer"


@pytest.mark.parametrize(
    ("report", "told"),
    [
        ("", "0 summaries: nothing"),
        (
            "========= COMPUTE-SANITIZER\n========= Error: Target application terminated before first call\n",
            "Error: Target",
        ),
        (CLEAN + CLEAN, "2 summaries"),
        ("========= ERROR SUMMARY: 0 errors, perhaps\n", "0 summaries"),
        (BEYOND.format(place="_gateway+0x10"), "at _gateway+0x10"),
        (BEYOND.format(place="void at::native::index_kernel<float>(T1)+0x10"), "none of the candidate's"),
        (BEYOND.format(place="_gate+0x1").replace("__global__ read", "__shared__ ?"), "Invalid __shared__"),
        (BEYOND.format(place="_gate+0x1").replace("Invalid", "A kernel printed: Invalid"), "A kernel printed"),
        (BEYOND.format(place="_gate+0x1").replace("     at", "     by host frame"), "none of the candidate's"),
    ],
)
def test_all_else_tells_nothing(report: str, told: str) -> None:
    found = read_report(report, ["_gate"])
    assert found.verdict is Verdict.UNTOLD
    assert told in found.told


def test_no_error_is_clean() -> None:
    assert read_report(CLEAN, ["_gate"]).verdict is Verdict.CLEAN


def test_what_a_kernel_is_called_does_not_break_the_line() -> None:
    found = read_report(BEYOND.format(place="_gate\x1b[2J+0x1"), ["_gate"])
    assert found.told.isprintable()


TOOL = """#!{python}
import os, subprocess, sys
arguments = sys.argv[1:]
assert arguments[:2] == ["--tool", "memcheck"], arguments
at = arguments.index("--log-file")
code = subprocess.run(arguments[at + 2:]).returncode
open(arguments[at + 1], "w").write(os.environ["REPORT"])
sys.exit(code)
"""

OBEYS = """
import os, pathlib, pickle, sys, time
from evaluators.kernels.gpu.protocol import Broken, Done
assert os.environ["PYTORCH_NO_CUDA_MEMORY_CACHING"] == "1"
assert "PYTORCH_CUDA_ALLOC_CONF" not in os.environ
order = pickle.loads(pathlib.Path(sys.argv[-2]).read_bytes())
pathlib.Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
how = os.environ["HOW"]
if how == "hang":
    time.sleep(600)
if how == "die":
    sys.exit("no GPU of that kind")
reply = Broken(reason="the task is broken") if how == "break" else Done(value=order.job)
pathlib.Path(sys.argv[-1]).write_bytes(pickle.dumps(reply))
"""


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(TOOL.format(python=sys.executable), encoding="utf-8")
    tool.chmod(0o755)
    obeys = tmp_path / "obeys.py"
    obeys.write_text(OBEYS, encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pid"))
    monkeypatch.setenv("REPORT", CLEAN)
    monkeypatch.setenv("HOW", "obey")
    return [sys.executable, str(obeys)]


def test_an_order_is_obeyed_under_the_tool(start: list[str]) -> None:
    assert sanitized(start, ORDER, 60).verdict is Verdict.CLEAN


def test_its_errors_count_whatever_the_process_says(start: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORT", BEYOND.format(place="_gate+0x160"))
    assert sanitized(start, ORDER, 60).verdict is Verdict.FAULTY
    monkeypatch.setenv("HOW", "die")
    assert sanitized(start, ORDER, 60).verdict is Verdict.FAULTY


@pytest.mark.parametrize(("how", "told"), [("break", "the task is broken"), ("die", "no GPU of that kind")])
def test_a_process_that_fails_without_errors_tells_nothing(
    start: list[str], monkeypatch: pytest.MonkeyPatch, how: str, told: str
) -> None:
    monkeypatch.setenv("HOW", how)
    found = sanitized(start, ORDER, 60)
    assert found.verdict is Verdict.UNTOLD
    assert told in found.told


def test_what_hangs_is_gone_afterwards(start: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOW", "hang")
    found = sanitized(start, ORDER, 3)
    assert (found.verdict, found.told) == (Verdict.UNTOLD, "compute-sanitizer: not done within 3 s")
    process = int((tmp_path / "pid").read_text(encoding="utf-8"))
    for _ in range(100):
        if not Path(f"/proc/{process}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{process}").exists()


def test_a_tool_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sanitizer, "FOLDERS", (str(tmp_path),))
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    found = sanitized([sys.executable], ORDER, 5)
    assert (found.verdict, found.told) == (Verdict.UNTOLD, "compute-sanitizer: not installed here")


def test_the_tool_is_found_beside_cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "compute-sanitizer"
    tool.write_text("", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert sanitizer.find_tool() == str(tool)
