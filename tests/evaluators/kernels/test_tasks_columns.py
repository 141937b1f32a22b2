"""What kernels are compared with: found by what is installed, absent with a reason, right where they answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from evaluators.kernels.task import Case  # noqa: E402 - torch is optional
from evaluators.kernels.tasks import libraries  # noqa: E402
from evaluators.kernels.tasks.moe_combine import MoeCombine  # noqa: E402
from evaluators.kernels.tasks.topk_gating import TopkGating  # noqa: E402

TASKS = (TopkGating(), MoeCombine())
SHAPES = {"topk_gating": [(77, 64, 6), (513, 128, 8)], "moe_combine": [(45, 512, 6), (130, 2048, 8)]}
NAMES = {"topk_gating": {"vllm"}, "moe_combine": {"vllm", "vllm_sum"}}
each_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


def the_case(task: TopkGating | MoeCombine, shape: tuple[int, int, int]) -> Case:
    return Case(call=task.call(*shape), law="router", seed=4)


@each_task
def test_every_library_has_a_column_or_a_reason(task: TopkGating | MoeCombine) -> None:
    columns, missing = task.columns(), task.missing_columns()
    assert {"eager", "compiled"} <= set(columns)
    assert not set(columns) & set(missing)
    assert (NAMES[task.name] | {"triton_kernels"}) <= set(columns) | set(missing)
    assert all(reason and "\n" not in reason for reason in missing.values())


@each_task
def test_eager_is_right_on_the_cpu(task: TopkGating | MoeCombine) -> None:
    for shape in SHAPES[task.name]:
        case = the_case(task, shape)
        contents = task.contents(case, 0, "cpu")
        outputs = task.columns()["eager"](case, contents)
        assert task.fault(case, contents, task.truth(case, contents), outputs, frozenset()) is None


@pytest.mark.gpu
@each_task
def test_every_column_is_right_on_the_gpu(task: TopkGating | MoeCombine) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU: torch sees none")
    columns = task.columns()
    for shape in SHAPES[task.name]:
        case = the_case(task, shape)
        contents = task.contents(case, 0, "cuda")
        truth = task.truth(case, contents)
        for name, column in columns.items():
            outputs = column(case, contents)
            if name not in task.partial_columns:
                assert task.fault(case, contents, truth, outputs, frozenset()) is None, name


def test_vllm_without_its_library_is_missing_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vllm").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(libraries.MissingColumnError, match=r"no compiled library _moe_C"):
        libraries.vllm_op("topk_softmax", frozenset())
    (tmp_path / "vllm" / "_moe_C.abi3.so").write_bytes(b"not a library")
    with pytest.raises(libraries.MissingColumnError, match="does not load"):
        libraries.vllm_op("topk_softmax", frozenset())


@pytest.fixture
def operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """An installed vLLM whose operators note what they are called with, in the signature of a later version."""
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "_moe_C.abi3.so").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(torch.ops, "load_library", lambda path: None)
    library = torch.library.Library("_moe_C", "FRAGMENT")
    library.define("moe_sum(Tensor input, Tensor! output, Tensor? topk_ids, Tensor? expert_map) -> ()")
    library.define("topk_softmax(Tensor! topk_weights, Tensor gating_output, int groups) -> ()")
    called: list[tuple[Any, ...]] = []

    def moe_sum(rows: Any, output: Any, ids: Any, chosen: Any) -> None:
        called.append((rows, output, ids, chosen))
        output.copy_(rows.float().sum(dim=1))

    library.impl("moe_sum", moe_sum, "CPU")
    yield called
    library._destroy()


def test_operators_are_called_by_the_names_of_their_parameters(operators: list[tuple[Any, ...]]) -> None:
    task = MoeCombine()
    case = the_case(task, (5, 64, 2))
    contents = task.contents(case, 0, "cpu")
    (output,) = task.columns()["vllm_sum"](case, contents)
    ((rows, given, ids, chosen),) = operators
    assert given.data_ptr() == output.data_ptr()
    assert (ids, chosen) == (None, None)
    assert torch.equal(output, rows.float().sum(dim=1).bfloat16())


def test_an_operator_that_asks_for_more_is_missing_with_a_reason(operators: list[tuple[Any, ...]]) -> None:
    del operators
    assert "groups" in TopkGating().missing_columns()["vllm"]
    assert "no operator moe_unpermute" in MoeCombine().missing_columns()["vllm"]
