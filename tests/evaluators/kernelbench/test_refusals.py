"""Files that cannot be judged are refused with one line that names the operator, or what else is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from evaluators.kernels.kernelbench.loading import File  # noqa: E402 - torch may be missing
from evaluators.kernels.kernelbench.operators import DRAWS, OPERATORS  # noqa: E402
from evaluators.kernels.kernelbench.task import KernelBenchTask  # noqa: E402
from evaluators.kernels.kernelbench.trace import TraceError, read_trace  # noqa: E402
from evaluators.model import Split  # noqa: E402
from sandbox import Sandbox  # noqa: E402

PLAIN_INPUTS = "[torch.rand(rows, columns)]"


def file(forward: str, *, inputs: str = PLAIN_INPUTS, parameters: str = "x", init: str = "pass", top: str = "") -> str:
    return f"""
import torch
from torch import nn

rows = 512
columns = 256
{top}

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        {init}

    def forward(self, {parameters}):
        {forward}

def get_inputs():
    return {inputs}

def get_init_inputs():
    return []
"""


UNREADABLE = {
    "dropout": (file("return self.drop(x)", init="self.drop = nn.Dropout(0.5)"), r"bernoulli|dropout"),
    "noise": (file("return x + torch.randn_like(x)"), r"random operator aten\.randn_like"),
    "data-dependent shape": (file("return x[x > 0.5]"), r"aten\.(nonzero|index|masked_select)"),
    "branch on data": (file("return x if x.sum() > 0 else -x"), r"aten\.(_local_scalar_dense|is_nonzero)"),
    "item": (file("return x * x.max().item()"), r"aten\.(_local_scalar_dense|item)"),
    "indices": (file("return x.argmax(dim=1)"), r"int64, made by argmax"),
    "comparison": (file("return x > 0.5"), r"bool, made by gt"),
    "float64": (file("return x.double()"), r"float64, made by _to_copy"),
    "complex": (file("return torch.fft.fft(x).real"), r"aten\._fft_r2c"),
    "in place": (file("return x.mul_(2)"), r"aten\.mul_\.Tensor, which changes an input"),
    "buffers": (file("return self.norm(x)", init="self.norm = nn.BatchNorm1d(columns)"), r"changes .* a buffer"),
    "no tensor": (file("return x, 3"), r"returns a int as output 1"),
    "a dict": (file('return {"y": x}'), r"returns a dict as output 0"),
    "as it came": (file("return x"), r"nothing to compute"),
    "an attribute": (file("return x * self.it", init="self.it = torch.ones(columns)"), r"register it as a buffer"),
    "unused": (file("return x * 2", parameters="x, y", inputs="[torch.rand(rows), torch.rand(rows)]"), r"input 'y'"),
    "a string": (file("return x * 2", parameters="x, y", inputs='[torch.rand(rows), "sum"]'), r"a str for 'y'"),
    "float64 inputs": (file("return x * 2", inputs="[torch.rand(rows).double()]"), r"'x' has type float64"),
    "no sizes": (file("return x * 2", inputs="[torch.rand(512, 256)]"), r"no size that can be changed"),
    "no Model": ("rows = 512", r"defines no Model"),
    "no Python": ("def Model(:", r"SyntaxError"),
    "an error": (file("return x @ x.T @ x.T"), r"RuntimeError"),
    "an exit": (file("return x", top="import os; os._exit(0)"), r"does not run in the sandbox"),
    "a file": (file("return x", top="open('/etc/passwd').read()"), r"(FileNotFound|Permission)Error"),
    "a socket": (file("return x", top="import socket; socket.socket()"), r"raises|does not run"),
}
TRIVIAL = {
    "always zero": (file("y = x.amax(1, keepdim=True); return torch.relu(y - y)"), r"zeros pass|same for all"),
    "always one": (file("return torch.softmax(x.sum(1, keepdim=True), dim=1)"), r"mean pass|same for all"),
    "saturated": (file("return torch.clamp(x, 2.0, 3.0)"), r"mean pass|same for all"),
    "an argument that cancels out": (
        file("return x + (y - y)", parameters="x, y", inputs="[torch.rand(rows), torch.rand(rows)]"),
        r"do not depend on 'y'",
    ),
    "one swallowed by the other": (
        file("return 1e9 * x + y", parameters="x, y", inputs="[torch.randn(rows), torch.randn(rows)]"),
        r"do not depend on 'y'",
    ),
    "infinite": (file("return torch.log(x * 0)"), r"not finite"),
    "hopeless": (
        file("return torch.sin(1e12 * x)"),
        r"zeros pass|far off",
    ),
    "chance in Python": (
        file("return x * 2", inputs="[torch.rand(rows) * random.random()]", top="import random"),
        r"different at each call",
    ),
    "state": (
        file("self.calls += 1; return x * self.calls", init="self.calls = 0"),
        r"different at each call|is not what its operators give",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_refused(name: str, reading: Sandbox) -> None:
    source, told = UNREADABLE[name]
    with pytest.raises(TraceError, match=told) as refused:
        KernelBenchTask(source, reading)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", TRIVIAL)
def test_what_tells_nothing_is_refused(name: str, reading: Sandbox) -> None:
    source, told = TRIVIAL[name]
    with pytest.raises(TraceError, match=told):
        KernelBenchTask(source, reading)


def test_a_constant_that_is_no_size_stays(reading: Sandbox) -> None:
    """An integer that no argument's shape shows must not change: a program could not know it."""
    source = file("return torch.clamp(x * bound, max=100.0)", top="bound = 1000")
    task = KernelBenchTask(source, reading)
    assert set(task.facts.sizes) == {"rows", "columns"}


def test_structure_that_get_inputs_makes_is_kept_under_every_law(reading: Sandbox) -> None:
    source = file(
        "return x @ y",
        parameters="x, y",
        inputs="[torch.triu(torch.randn(rows, rows)), torch.rand(rows, rows).softmax(-1)]",
    )
    task = KernelBenchTask(source, reading)
    workload = task.workloads(Split.TRAIN, bytes(32))[0]
    for law in task.facts.laws:
        contents = task.contents(replace(workload.checked[0], law=law), 0, "cpu")
        assert torch.equal(contents["x"], contents["x"].triu())
        assert torch.allclose(contents["y"].sum(1), torch.ones(len(contents["y"])))
    assert task.traffic(workload.timed, {}).read_bytes == 0


@pytest.mark.parametrize(
    "change",
    [
        {"outputs": [99]},
        {"outputs": []},
        {"computing": [{"operator": "mul"}]},
        {"inputs": [{"name": "a b", "value": 0, "dtype": "float32", "shape": [4]}]},
        {"inputs": 3},
        {"drawing": [{"operator": "from_file", "overload": "default", "arguments": [], "keywords": {}, "results": []}]},
    ],
)
def test_a_forged_trace_is_refused(change: dict[str, object], reading: Sandbox) -> None:
    with File(file("return x * 2"), reading) as opened:
        lists = {"operators": sorted(OPERATORS), "draws": sorted(DRAWS)}
        reply = opened._ask("trace", source=opened.source, sizes={}, **lists)
    read_trace(reply)
    with pytest.raises(TraceError):
        read_trace({**reply, **change})


def test_a_trace_that_writes_into_an_argument_or_lies_about_a_shape_is_refused(reading: Sandbox) -> None:
    with File(file("return x * 2"), reading) as opened:
        lists = {"operators": sorted(OPERATORS), "draws": sorted(DRAWS)}
        reply = opened._ask("trace", source=opened.source, sizes={}, **lists)
    (node,) = reply["computing"]
    with pytest.raises(TraceError, match=r"aten\.mul_ writes into an argument"):
        read_trace({**reply, "computing": [{**node, "operator": "mul_"}]})
    said = [{**result, "shape": [*result["shape"], 1]} for result in node["results"]]
    lying = read_trace({**reply, "computing": [{**node, "results": said}]})
    contents = {name: torch.ones(form.shape) for name, form in lying.tensors.items()}
    with pytest.raises(TraceError, match="not what was said of it"):
        lying.run(contents, exact=True)
