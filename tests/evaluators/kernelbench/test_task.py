"""Files in the form of KernelBench's level 1, of our own: each loads, and is judged as it must."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from evaluators.kernels.interpreting import shrunk  # noqa: E402 - torch may be missing
from evaluators.kernels.kernelbench.columns import graph_of  # noqa: E402
from evaluators.kernels.kernelbench.task import KernelBenchTask, TracedCase  # noqa: E402
from evaluators.kernels.task import Case, Fault  # noqa: E402
from evaluators.model import Split  # noqa: E402

functional = torch.nn.functional

# By file: what a user would write, from the arguments by the candidate's names for them.
REFERENCES: dict[str, Callable[..., Any]] = {
    "square_matmul": lambda left, right: left @ right,
    "matmul_transposed": lambda a, b: torch.einsum("km,nk->mn", a, b),
    "gelu": lambda x: x * 0.5 * torch.erfc(-x / 2**0.5),
    "softmax": lambda scores: (
        (powers := torch.exp(scores - scores.amax(1, keepdim=True))) / powers.sum(1, keepdim=True)
    ),
    "layer_norm": lambda x, norm_weight, norm_bias: (
        (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt() * norm_weight + norm_bias
    ),
    "rms_norm": lambda x, gain: (
        (x.float() / (x.float().square().sum(-1, keepdim=True) / x.shape[-1] + 1e-6).sqrt()).to(x.dtype) * gain
    ),
    "row_maximum": lambda x: x.max(dim=1).values,
    "cumulative_sum": lambda x: x.cumsum(1),
    "mse_loss": lambda predicted, wanted: (predicted - wanted).square().sum() / wanted.numel(),
    "convolution": lambda image, convolution_weight, convolution_bias: (
        functional.unfold(image, 3, padding=1).mT @ convolution_weight.flatten(1).T + convolution_bias
    ).mT.reshape(len(image), -1, *image.shape[2:]),
    "scale": lambda matrix, factor: matrix * factor,
    "linear": lambda x, linear_weight, linear_bias: x @ linear_weight.T + linear_bias,
}
OPERATORS = {
    "square_matmul": ("mm",),
    "matmul_transposed": ("permute", "transpose", "mm"),
    "softmax": ("_softmax",),
    "layer_norm": ("native_layer_norm",),
    "cumulative_sum": ("cumsum",),
    "convolution": ("convolution",),
}
NOTHING: frozenset[str] = frozenset()
each_file = pytest.mark.parametrize("name", REFERENCES)
Read = Callable[[str], KernelBenchTask]


def judge(task: KernelBenchTask, case: Case, outputs: Sequence[Any], number: int = 0) -> Fault | None:
    contents = task.contents(case, number, "cpu")
    return task.fault(case, contents, task.truth(case, contents), outputs, NOTHING)


def small_cases(task: KernelBenchTask) -> list[TracedCase]:
    return [
        TracedCase(call=one.call, law=law, seed=7, trace=one.trace, small=one)
        for one in task.facts.smalls
        for law in task.facts.laws
    ]


def own(task: KernelBenchTask) -> Case:
    return task.audit_case(3)


def given(task: KernelBenchTask, case: Case, number: int = 0) -> dict[str, Any]:
    return {**task.contents(case, number, "cpu"), **case.call.scalars}


@each_file
def test_what_a_user_would_write_is_right_on_every_small_call_and_law(name: str, task_of: Read) -> None:
    task = task_of(name)
    assert task.facts.laws[0] == "own"
    assert len(task.facts.laws) >= 4
    for case in small_cases(task):
        fault = judge(task, case, [REFERENCES[name](**given(task, case))])
        assert fault is None, (case.call.name, case.law, fault)


@each_file
def test_its_parameters_are_inputs_and_weights(name: str, task_of: Read) -> None:
    task = task_of(name)
    case = own(task)
    contents = task.contents(case, 0, "cpu")
    assert list(contents) == list(case.call.tensors)
    for key, form in case.call.tensors.items():
        assert (str(contents[key].dtype), tuple(contents[key].shape)) == (f"torch.{form.dtype}", form.shape)
        assert contents[key].is_contiguous()
    if name in OPERATORS:
        assert set(task.facts.own.trace.operators) <= set(OPERATORS[name])


@each_file
def test_wrong_outputs_are_refused(name: str, task_of: Read) -> None:
    task = task_of(name)
    case = own(task)
    right = REFERENCES[name](**given(task, case))
    stale = REFERENCES[name](**given(task, case, 1))
    wrong = {
        "zeros": torch.zeros_like(right),
        "stale": stale,
        "another sign": -right,
        "a thousandth off": right * 1.001 if right.dtype == torch.float32 else right * 1.1,
        "nothing": torch.full_like(right, float("nan")),
    }
    for what, output in wrong.items():
        assert judge(task, case, [output]) is not None, what
    assert judge(task, case, [right]) is None


@each_file
def test_no_argument_may_be_left_out(name: str, task_of: Read) -> None:
    task = task_of(name)
    case = own(task)
    for key in task.contents(case, 0, "cpu"):
        changed = {**given(task, case), key: given(task, case, 1)[key]}
        assert judge(task, case, [REFERENCES[name](**changed)]) is not None, key
        if key.endswith(("weight", "gain")) and case.call.tensors[key].shape[1:] == ():
            plain = {**given(task, case), key: torch.ones_like(changed[key])}
            assert judge(task, case, [REFERENCES[name](**plain)]) is not None, key


@pytest.mark.parametrize("name", ["square_matmul", "matmul_transposed", "linear", "convolution"])
def test_half_precision_products_are_refused(name: str, task_of: Read) -> None:
    task = task_of(name)
    case = own(task)
    lower = {key: value.to(torch.bfloat16).float() for key, value in task.contents(case, 0, "cpu").items()}
    fault = judge(task, case, [REFERENCES[name](**lower)])
    assert fault is not None
    assert fault.check == "element"


@pytest.mark.parametrize("name", ["square_matmul", "cumulative_sum", "mse_loss"])
def test_sums_may_be_taken_in_tiles_of_any_order(name: str, task_of: Read) -> None:
    task = task_of(name)
    case = own(task)
    contents = task.contents(case, 0, "cpu")
    if name == "square_matmul":
        output = torch.zeros(case.call.outputs[0].shape)
        for start in reversed(range(0, len(output), 16)):
            output += contents["left"][:, start : start + 16] @ contents["right"][start : start + 16]
    elif name == "cumulative_sum":
        output, total = torch.empty_like(contents["x"]), torch.zeros(len(contents["x"]))
        for place, column in enumerate(contents["x"].T):
            total = total + column
            output[:, place] = total
    else:
        squares = (contents["predicted"] - contents["wanted"]).square().flatten()
        output = torch.stack([part.sum() for part in squares.split(64)]).flip(0).cumsum(0)[-1] / len(squares)
    assert judge(task, case, [output]) is None


@pytest.mark.parametrize("name", ["square_matmul", "linear", "convolution", "mse_loss", "cumulative_sum"])
def test_a_dropped_tail_is_refused(name: str, task_of: Read) -> None:
    """The last term of every sum left out: the fault of a mask that ends one too early."""
    task = task_of(name)
    case = own(task)
    contents = {key: value.clone() for key, value in task.contents(case, 0, "cpu").items()}
    first = next(iter(contents.values()))
    if name == "mse_loss":
        contents["wanted"][:, -1] = contents["predicted"][:, -1]
    elif name == "convolution":
        first[:, -1] = 0
    else:
        first[:, -1] = 0
    assert judge(task, case, [REFERENCES[name](**contents, **case.call.scalars)]) is not None


@each_file
def test_every_check_stands_alone_against_something(name: str, task_of: Read) -> None:
    task = task_of(name)
    case = task.audit_case(0)
    contents = task.contents(case, 0, "cpu")
    truth = task.truth(case, contents)
    honest = task.columns()["eager"](case, contents)
    assert tuple(task.spoils()) == task.checks
    for check, spoil in task.spoils().items():
        outputs = spoil([output.clone() for output in honest], contents, torch.Generator().manual_seed(0))
        fault = task.fault(case, contents, truth, outputs, NOTHING)
        assert fault is not None, check
        assert fault.check == check, fault
        assert task.fault(case, contents, truth, outputs, frozenset({check})) is None


@each_file
def test_what_is_compiled_is_what_is_judged(name: str, task_of: Read) -> None:
    task = task_of(name)
    case = task.audit_case(0)
    contents = task.contents(case, 0, "cpu")
    graph = graph_of(case.trace, contents)
    assert judge(task, case, list(graph(*(contents[name] for name in case.trace.tensors)))) is None
    moved = {key: value * 2 if value.is_floating_point() else value for key, value in contents.items()}
    again = graph(*(moved[name] for name in case.trace.tensors))
    for got, right in zip(again, case.trace.run(moved), strict=True):
        assert torch.equal(got, right), "no number of the first contents is kept in the graph"


def test_small_outputs_have_no_absolute_tolerance(task_of: Read) -> None:
    """Softmax over long rows gives 1e-5, which passes for 0 within the usual 1e-2."""
    task = task_of("softmax")
    sized = max(task.facts.smalls, key=lambda one: one.sizes["shape[0]"])
    case = TracedCase(call=sized.call, law="own", seed=1, trace=sized.trace, small=sized)
    contents = task.contents(case, 0, "cpu")
    right = torch.softmax(contents["scores"], 1)
    assert float(right.max()) < 1e-2
    assert judge(task, case, [right]) is None
    assert judge(task, case, [torch.full_like(right, 1 / right.shape[1])]) is not None
    assert judge(task, case, [right + 1e-6]) is not None


def test_splits_have_shapes_of_their_own(task_of: Read) -> None:
    task = task_of("matmul_transposed")
    secrets = [bytes([number]) * 32 for number in range(2)]
    names = {split: [w.name for w in task.workloads(split, secrets[0])] for split in Split}
    assert "ROWS=1536 COLUMNS=640 INNER=2048" in names[Split.TRAIN]
    assert not set(names[Split.HIDDEN]) & {*names[Split.TRAIN], *names[Split.VALIDATION]}
    assert names[Split.HIDDEN] == [w.name for w in task.workloads(Split.HIDDEN, secrets[0])]
    assert names[Split.HIDDEN] != [w.name for w in task.workloads(Split.HIDDEN, secrets[1])]
    for workload in task.workloads(Split.HIDDEN, secrets[0]):
        a, b = workload.timed.call.tensors["a"].shape, workload.timed.call.tensors["b"].shape
        assert workload.timed.call.outputs[0].shape == (a[1], b[0])
        assert {case.law for case in workload.checked} == set(task.facts.laws)


def test_a_call_that_is_cut_to_few_rows_becomes_a_small_call(task_of: Read) -> None:
    """Rows of a square product cannot be cut: then it would be none."""
    task = task_of("square_matmul")
    timed = task.workloads(Split.TRAIN, bytes(32))[-1].timed
    cut = shrunk(timed)
    assert cut.call.tensors in [one.call.tensors for one in task.facts.smalls]
    assert cut.call.name not in [one.name for one in task.facts.smalls]
    assert judge(task, cut, [REFERENCES["square_matmul"](**given(task, cut))]) is None
    for one in task.facts.smalls:
        case = TracedCase(call=one.call, law="own", seed=0, trace=one.trace, small=one)
        assert shrunk(case) == case


def test_a_workload_travels_to_another_process(task_of: Read) -> None:
    for workload in task_of("linear").workloads(Split.TRAIN, bytes(32)):
        assert pickle.loads(pickle.dumps(workload)) == workload


def test_numbers_among_the_inputs_are_not_always_the_same(task_of: Read) -> None:
    task = task_of("scale")
    assert len({one.call.scalars["factor"] for one in task.facts.smalls}) == 2


def test_the_least_work_is_counted_where_nothing_can_be_left_out(task_of: Read) -> None:
    def traffic(name: str) -> Any:
        task = task_of(name)
        sized = task.facts.own
        return task.traffic(TracedCase(call=sized.call, law="own", seed=0, trace=sized.trace, small=sized), {})

    product = traffic("matmul_transposed")
    assert product.flops == 2 * 1536 * 640 * 2048
    assert product.read_bytes == 4 * 2048 * (1536 + 640)
    assert product.written_bytes == 4 * 1536 * 640
    assert traffic("mse_loss").read_bytes == 2 * 4 * 4096 * 2048
    assert traffic("mse_loss").written_bytes == 4
    assert traffic("convolution").flops == 0  # Winograd's way needs fewer
    assert traffic("convolution").read_bytes == 0  # strides may leave some out
