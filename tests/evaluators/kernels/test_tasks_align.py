"""Rows sorted by expert: contents, honest orders, what each check stands against, shapes, floor, columns, seeds."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from evaluators.kernels.screen import screen_kernel  # noqa: E402 - torch is optional
from evaluators.kernels.suites import moe_align as suite  # noqa: E402
from evaluators.kernels.task import Case, Fault  # noqa: E402
from evaluators.kernels.tasks.align_shapes import SKEWED  # noqa: E402
from evaluators.kernels.tasks.moe_align import LAWS, MoeAlign, padded_rows  # noqa: E402
from evaluators.model import Split  # noqa: E402
from evaluators.problem import ProblemError  # noqa: E402
from seeds import ROOT, read_export, read_seeds, read_statement  # noqa: E402

TASK = MoeAlign()
NOTHING: frozenset[str] = frozenset()
SEED, OTHER = bytes(range(32)), bytes(32)
SOURCES = {seed.name: seed.source for seed in read_seeds(ROOT / "moe_align")}
EDGES = ((0, 8, 2, 16), (1, 32, 8, 8), (9, 12, 5, 8), (3, 8, 8, 256), (33, 1, 1, 16), (21, 6, 3, 32))
each_law = pytest.mark.parametrize("law", LAWS)
each_split = pytest.mark.parametrize("split", Split)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take seconds where processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def a_case(law: str, shape: tuple[int, int, int, int] = (45, 16, 4, 16), *, seed: int = 1) -> Case:
    return Case(call=TASK.call(*shape), law=law, seed=seed)


def judge(case: Case, program: Callable[..., Any], off: frozenset[str] = NOTHING) -> Fault | None:
    contents = TASK.contents(case, 0, "cpu")
    outputs = program(**contents, **case.call.scalars)
    for output, form in zip(outputs, case.call.outputs, strict=True):
        assert (tuple(output.shape), str(output.dtype)) == (form.shape, f"torch.{form.dtype}")
    return TASK.fault(case, contents, TASK.truth(case, contents), outputs, off)


def listed(sections: list[list[int]], rows: int, block: int, places: int) -> Any:
    """Outputs of these sections, without any arithmetic of tensors."""
    taken: list[int] = []
    experts: list[int] = []
    for expert, mine in enumerate(sections):
        blocks = -(-len(mine) // block)
        taken += mine + [rows] * (blocks * block - len(mine))
        experts += [expert] * blocks
    found = (taken + [rows] * (places - len(taken)), experts + [-1] * (places // block - len(experts)), [len(taken)])
    return tuple(torch.tensor(values, dtype=torch.int32) for values in found)


def members(ids: Any, num_experts: int) -> list[list[int]]:
    chosen = ids.flatten().tolist()
    return [[row for row, expert in enumerate(chosen) if expert == one] for one in range(num_experts)]


def in_order(ids: Any, num_experts: int, block: int) -> Any:
    places = padded_rows(ids.numel(), num_experts, block)
    return listed(members(ids, num_experts), ids.numel(), block, places)


def backwards(ids: Any, num_experts: int, block: int) -> Any:
    """As a kernel with atomic additions may give it."""
    places = padded_rows(ids.numel(), num_experts, block)
    return listed([mine[::-1] for mine in members(ids, num_experts)], ids.numel(), block, places)


def as_in_the_column(ids: Any, num_experts: int, block: int) -> Any:
    case = Case(call=TASK.call(*ids.shape[:1], num_experts, ids.shape[1], block), law="router", seed=0)
    return tuple(TASK.columns()["eager"](case, {"ids": ids}))


@pytest.mark.parametrize("program", [in_order, backwards, as_in_the_column])
@each_law
def test_any_order_within_an_expert_is_right(law: str, program: Callable[..., Any]) -> None:
    for seed in range(2):
        for shape in ((45, 16, 4, 16), *EDGES, (70, 60, 4, 8)):
            assert judge(a_case(law, shape, seed=seed), program) is None


def test_the_example_of_the_statement_is_right() -> None:
    ids = torch.tensor([[1, 3], [3, 1], [3, 0]], dtype=torch.int32)
    shown = ([5, 6, 0, 3, 1, 2, 4, 6, 6, 6], [0, 1, 3, 3, -1], [8])
    assert [output.tolist() for output in in_order(ids, 4, 2)] == list(shown)
    statement = read_statement(ROOT / "moe_align")
    assert all(str(part) in statement for part in shown)


@each_law
def test_contents_are_of_the_declared_form_and_fresh(law: str) -> None:
    case = a_case(law)
    ids = TASK.contents(case, 0, "cpu")["ids"]
    assert (ids.dtype, tuple(ids.shape), ids.is_contiguous()) == (torch.int32, (45, 4), True)
    assert 0 <= int(ids.min()) <= int(ids.max()) < 16
    assert torch.equal(ids, TASK.contents(case, 0, "cpu")["ids"])
    draws = [TASK.contents(case, number, "cpu")["ids"] for number in range(12)]
    assert any(not torch.equal(ids, draw) for draw in draws)
    assert any(not torch.equal(ids, TASK.contents(a_case(law, seed=seed), 0, "cpu")["ids"]) for seed in range(2, 14))


def test_laws_hold_what_they_promise() -> None:
    def counts(law: str, tokens: int = 3000, experts: int = 64, k: int = 6, block: int = 16) -> Any:
        ids = TASK.contents(a_case(law, (tokens, experts, k, block)), 0, "cpu")["ids"]
        return torch.bincount(ids.flatten(), minlength=experts)

    mean = 3000 * 6 / 64
    assert float(counts("uniform").max()) < 1.3 * mean
    assert 2.5 * mean < float(counts("router").max()) < 6 * mean
    assert float(counts("zipf").max()) > 6 * mean
    assert int((counts("few") > 0).sum()) == 7
    assert int((counts("one_expert") > 0).sum()) == 1
    assert set(counts("ends").nonzero().flatten().tolist()) == {0, 63}
    assert int((counts("exact", 2048, 64, 4) % 16 != 0).sum()) == 0
    assert bool((counts("one_over", 64 * 17, 64, 1) == 17).all())
    rows = TASK.contents(a_case("ascending"), 0, "cpu")["ids"].flatten()
    assert bool((rows[1:] >= rows[:-1]).all())
    for law in ("router", "uniform", "zipf", "bursty", "few"):
        ids = TASK.contents(a_case(law, (200, 16, 4, 16)), 0, "cpu")["ids"].sort(dim=1).values
        assert bool((ids[:, 1:] != ids[:, :-1]).all()), "a router names an expert once"
    ids = TASK.contents(a_case("repeated", (200, 16, 4, 16)), 0, "cpu")["ids"].sort(dim=1).values
    assert bool((ids[:, 1:] == ids[:, :-1]).any())


def changed(what: Callable[[Any, Any, Any, Any], None]) -> Callable[..., Any]:
    def program(ids: Any, num_experts: int, block: int) -> Any:
        outputs = in_order(ids, num_experts, block)
        what(*outputs, ids)
        return outputs

    program.__name__ = what.__name__
    return program


def tail_unwritten(rows: Any, experts: Any, count: Any, ids: Any) -> None:
    rows[int(count) :] = 0x5A5A5A5A


def tail_of_zeros(rows: Any, experts: Any, count: Any, ids: Any) -> None:
    rows[int(count) :] = 0


def unused_blocks_of_the_first_expert(rows: Any, experts: Any, count: Any, ids: Any) -> None:
    experts[experts < 0] = 0


def padding_of_minus_one(rows: Any, experts: Any, count: Any, ids: Any) -> None:
    rows[: int(count)][rows[: int(count)] == ids.numel()] = -1


def tokens_instead_of_rows(rows: Any, experts: Any, count: Any, ids: Any) -> None:
    real = rows < ids.numel()
    rows[real] = rows[real] // ids.shape[1]


def last_row_dropped(rows: Any, experts: Any, count: Any, ids: Any) -> None:
    rows[rows == ids.numel() - 1] = ids.numel()


def without_padding_counted(rows: Any, experts: Any, count: Any, ids: Any) -> None:
    count.fill_(ids.numel())


def zeros(ids: Any, num_experts: int, block: int) -> Any:
    return tuple(torch.zeros_like(output) for output in in_order(ids, num_experts, block))


def as_they_come(ids: Any, num_experts: int, block: int) -> Any:
    rows, experts, count = in_order(ids, num_experts, block)
    real = rows < ids.numel()
    rows[real] = torch.arange(ids.numel(), dtype=torch.int32)
    return rows, experts, count


def falling_experts(ids: Any, num_experts: int, block: int) -> Any:
    rows, experts, count = in_order(num_experts - 1 - ids, num_experts, block)
    return rows, torch.where(experts < 0, experts, num_experts - 1 - experts), count


def a_block_for_idle_experts(ids: Any, num_experts: int, block: int) -> Any:
    places = padded_rows(ids.numel(), num_experts, block)
    sections = [mine or [ids.numel()] for mine in members(ids, num_experts)]
    return tuple(output[:length] for output, length in zip(
        listed(sections, ids.numel(), block, places), (places, places // block, 1), strict=True
    ))  # fmt: skip


def one_block_an_expert(ids: Any, num_experts: int, block: int) -> Any:
    """A capacity: what an expert has beyond it is dropped."""
    places = padded_rows(ids.numel(), num_experts, block)
    return listed([mine[:block] for mine in members(ids, num_experts)], ids.numel(), block, places)


def of_other_contents(ids: Any, num_experts: int, block: int) -> Any:
    return in_order(ids.flip(0), num_experts, block)


@pytest.mark.parametrize(
    ("program", "law", "check"),
    [
        (zeros, "router", "count"),
        (changed(without_padding_counted), "router", "count"),
        (a_block_for_idle_experts, "few", "count"),
        (one_block_an_expert, "zipf", "count"),
        (falling_experts, "router", "blocks"),
        (changed(unused_blocks_of_the_first_expert), "router", "unused"),
        (changed(tail_unwritten), "router", "tail"),
        (changed(tail_of_zeros), "router", "tail"),
        (changed(padding_of_minus_one), "router", "padding"),
        (changed(last_row_dropped), "router", "range"),
        (changed(tokens_instead_of_rows), "router", "home"),
        (as_they_come, "router", "home"),
        (of_other_contents, "round_robin", "home"),
        (changed(tokens_instead_of_rows), "one_expert", "once"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_cheap_tricks_are_found(program: Callable[..., Any], law: str, check: str) -> None:
    found = judge(a_case(law, (45, 16, 4, 8)), program)
    assert found is not None
    assert found.check == check


@pytest.mark.parametrize("check", TASK.checks)
def test_each_check_stands_alone_against_something(check: str) -> None:
    spoil = TASK.spoils()[check]
    for seed, program in product(range(4), (in_order, backwards)):
        case = TASK.audit_case(seed)
        contents = TASK.contents(case, 0, "cpu")
        truth = TASK.truth(case, contents)
        outputs = program(**contents, **case.call.scalars)
        kept = [output.clone() for output in outputs]
        assert TASK.fault(case, contents, truth, outputs, NOTHING) is None
        spoiled = spoil(outputs, contents, torch.Generator().manual_seed(seed))
        assert all(torch.equal(before, after) for before, after in zip(kept, outputs, strict=True)), "a spoil copies"
        found = TASK.fault(case, contents, truth, spoiled, NOTHING)
        assert found is not None
        assert found.check == check
        assert "\n" not in found.reason
        assert TASK.fault(case, contents, truth, spoiled, frozenset({check})) is None


def test_every_check_has_a_spoil_and_a_place() -> None:
    from evaluators.kernels.tasks.align_judge import CHECKS

    assert tuple(CHECKS) == TASK.checks == tuple(TASK.spoils())


def test_a_spoil_says_where_contents_do_not_suit() -> None:
    outputs = in_order(torch.zeros((1, 1), dtype=torch.int32), 1, 1)
    with pytest.raises(ValueError, match="audit case"):
        TASK.spoils()["once"](outputs, {"ids": torch.zeros((1, 1), dtype=torch.int32)}, torch.Generator())


def test_a_fault_says_what_and_where() -> None:
    ids = torch.tensor([[1, 3], [3, 1], [3, 0]], dtype=torch.int32)
    case = a_case("router", (3, 4, 2, 2))
    truth = TASK.truth(case, {"ids": ids})
    rows, experts, count = in_order(ids, 4, 2)

    def reason(*outputs: Any) -> str:
        found = TASK.fault(case, {"ids": ids}, truth, outputs, NOTHING)
        assert found is not None
        return found.reason

    swapped = rows.clone()
    swapped[0], swapped[2] = rows[2], rows[0]
    assert reason(rows, experts, count + 2) == "num_padded[0] is 10, right is 8"
    assert reason(rows, experts * 0, count) == "block_expert[1] is 0, right is 1; 3 of 4 such blocks are wrong"
    assert reason(swapped, experts, count).startswith(
        "sorted_rows[0] is 0, which chose expert 1, but stands among those of expert 0; 2 of 6 rows"
    )


def test_no_routing_needs_more_places_and_beyond_lie_few_blocks() -> None:
    for experts, block, rows in product((1, 2, 3), (1, 2, 4), range(7)):
        places = padded_rows(rows, experts, block)
        assert places % block == 0
        needed = []
        for counts in product(range(rows + 1), repeat=experts):
            if sum(counts) == rows:
                taken = sum(-(-count // block) * block for count in counts)
                assert taken <= places
                assert places - taken <= experts * block
                needed.append(taken)
        assert places - max(needed) <= block


@each_split
def test_a_block_is_a_function_of_its_seed_and_grows(split: Split) -> None:
    first = TASK.workloads(split, SEED)
    assert first == TASK.workloads(split, SEED)
    assert [w.name for w in first] != [w.name for w in TASK.workloads(split, OTHER)]
    for seed in (SEED, OTHER, b"x" * 32):
        workloads = TASK.workloads(split, seed)
        assert len({w.name for w in workloads}) == len(workloads) == 6
        sizes = [TASK.traffic(w.timed, {}).read_bytes + TASK.traffic(w.timed, {}).written_bytes for w in workloads]
        assert sizes[0] == min(sizes)
        assert sizes[-1] == max(sizes)
        assert all(large > 0.6 * small for small, large in pairwise(sizes))
        cases = [case for w in workloads for case in w.checked]
        assert {case.law for case in cases} == set(LAWS)
        tokens = {case.call.tensors["ids"].shape[0] for case in cases}
        assert {0, 1} <= tokens
        assert any(count % 2 and count > 1 for count in tokens)
        assert any(case.call.scalars["num_experts"] == 1 for case in cases)
        skewed = 0
        for w in workloads:
            others = {c.law for c in w.checked if c.call == w.timed.call} - {w.timed.law}
            assert others
            skewed += bool(others & set(SKEWED))
            forms: dict[str, object] = {}
            assert all(forms.setdefault(c.call.name, c.call) == c.call for c in (w.timed, *w.checked))
        assert skewed >= 3


def test_hidden_shapes_and_contents_are_others() -> None:
    def models(split: Split) -> set[tuple[int, int]]:
        calls = [w.timed.call for w in TASK.workloads(split, SEED)]
        return {(int(call.scalars["num_experts"]), call.tensors["ids"].shape[1]) for call in calls}

    def laws(split: Split) -> set[str]:
        return {w.timed.law for w in TASK.workloads(split, SEED)}

    assert not models(Split.HIDDEN) & models(Split.TRAIN)
    assert not laws(Split.HIDDEN) & (laws(Split.TRAIN) | laws(Split.VALIDATION))
    anchors = {"T=256 E=128 k=8 block=64", "T=4096 E=128 k=8 block=64", "T=16384 E=128 k=8 block=64"}
    assert anchors <= {w.name for w in TASK.workloads(Split.TRAIN, OTHER)}


def test_shapes_are_listed_without_torch() -> None:
    program = (
        "import sys; from evaluators.model import Split; from evaluators.kernels.tasks import moe_align; "
        "moe_align.MoeAlign().workloads(Split.TRAIN, b''); assert not {'torch', 'triton'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_floor_counts_every_byte_once() -> None:
    traffic = TASK.traffic(a_case("router", (16384, 128, 8, 64)), {})
    places = 139_136  # 131072 + 128 * 63 = 139136 is whole blocks of 64 as it is
    assert (traffic.read_bytes, traffic.written_bytes) == (131072 * 4, (places + places // 64 + 1) * 4)
    assert traffic.flops == 0


def test_a_case_cut_to_few_tokens_is_a_call_of_its_own() -> None:
    case = a_case("router", (4096, 128, 8, 64))
    small = TASK.shrunk(case, 67)
    assert small.call.tensors["ids"].shape == (67, 8)
    assert small.call.outputs == TASK.call(67, 128, 8, 64).outputs
    assert small.call.name != case.call.name
    assert TASK.shrunk(small, 67) == small
    assert judge(small, in_order) is None


def test_the_problem_is_declared_and_its_digest_is_that_of_its_facts() -> None:
    problem = suite.make_problem("generated")
    assert problem.digest == suite.make_problem("generated").digest
    assert problem.declaration.parameters == TASK.parameters
    assert {seed.name for seed in problem.seeds} == {"naive", "decent"}
    with pytest.raises(ProblemError, match="shapes are its own"):
        suite.make_problem("trace.npz")


def test_every_library_has_a_column_or_a_reason() -> None:
    columns, missing = TASK.columns(), TASK.missing_columns()
    assert {"eager", "compiled"} <= set(columns)
    assert not set(columns) & set(missing)
    assert {"vllm", "triton_kernels"} <= set(columns) | set(missing)


def test_vllms_operator_is_called_by_the_names_of_its_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "_moe_C.abi3.so").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(torch.ops, "load_library", lambda path: None)
    library = torch.library.Library("_moe_C", "FRAGMENT")
    library.define(
        "moe_align_block_size(Tensor topk_ids, int num_experts, int block_size, Tensor! sorted_token_ids, "
        "Tensor! experts_ids, Tensor! num_tokens_post_pad, Tensor? maybe_expert_map) -> ()"
    )

    def align(ids: Any, experts: int, block: int, rows: Any, owners: Any, count: Any, chosen: Any) -> None:
        assert chosen is None
        for target, right in zip((rows, owners, count), in_order(ids, experts, block), strict=True):
            target.copy_(right)

    library.impl("moe_align_block_size", align, "CPU")
    try:
        case = a_case("router")
        contents = TASK.contents(case, 0, "cpu")
        outputs = TASK.columns()["vllm"](case, contents)
        assert "vllm" not in TASK.missing_columns()
    finally:
        library._destroy()
    assert TASK.fault(case, contents, TASK.truth(case, contents), outputs, NOTHING) is None


@pytest.mark.gpu
def test_every_column_is_right_on_the_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU: torch sees none")
    for shape in ((77, 64, 6, 16), (2049, 128, 8, 64)):
        case = a_case("router", shape)
        contents = TASK.contents(case, 0, "cuda")
        truth = TASK.truth(case, contents)
        for name, column in TASK.columns().items():
            assert TASK.fault(case, contents, truth, column(case, contents), NOTHING) is None, name


@pytest.mark.parametrize("name", SOURCES)
def test_a_seed_is_a_plain_module_with_marks_that_are_reached(name: str) -> None:
    from evolve.proposers.tuner.marks import faults, read_marks

    tree = ast.parse(SOURCES[name])
    docstring = ast.get_docstring(tree) or ""
    assert docstring.partition("\n")[0].endswith(".")
    assert "Source: ours" in docstring
    assert screen_kernel(tree, entry=TASK.entry) is None
    assert faults(SOURCES[name]) == []
    assert read_marks(SOURCES[name], TASK.entry) == read_marks(SOURCES[name]) != ()
    assert f"def {TASK.entry}({', '.join(TASK.parameters)}):" in read_statement(ROOT / "moe_align")


def retuned(source: str, **constants: int) -> str:
    lines = source.splitlines()
    for name, value in constants.items():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[at] = f"{name} = {value}"
    return "\n".join(lines) + "\n"


MANY = {"FEW": 0, "TILE": 32}
VARIANTS: tuple[tuple[str, dict[str, int]], ...] = (
    ("naive", {}),
    ("decent", {}),
    ("decent", {"SHARE": 4, "ITEMS": 4}),
    ("decent", MANY),
    ("decent", {**MANY, "PROGRAMS": 2, "COUNTED": 64}),
)
# In the guest's own process, where every address that a kernel touches is held to its tensors.
INTERPRETED = """
import json, sys
from evaluators.kernels.inside.interpret import interpret
from evaluators.kernels.task import Case
from evaluators.kernels.tasks.align_shapes import SKEWED  # noqa: E402
from evaluators.kernels.tasks.moe_align import LAWS, MoeAlign
import torch

torch.set_num_threads(1)
task = MoeAlign()
shapes, *paths = sys.argv[1:]
for path in paths:
    source = open(path).read()
    for number, shape in enumerate(json.loads(shapes)):
        for law in LAWS[number % 6 :: 6]:
            case = Case(call=task.call(*shape), law=law, seed=number)
            contents = task.contents(case, 0, "cpu")
            ids = contents["ids"].numpy()
            found = interpret(source, task.entry, {"ids": "int32"}, case.call.scalars, argument_ids=ids)
            assert isinstance(found, list), (path, shape, law, found)
            outputs = [torch.from_numpy(array) for array in found]
            assert [tuple(output.shape) for output in outputs] == [form.shape for form in case.call.outputs]
            fault = task.fault(case, contents, task.truth(case, contents), outputs, frozenset())
            assert fault is None, (path, shape, law, fault)
print("right")
"""


def test_seeds_are_right_in_the_interpreter(tmp_path: Path) -> None:
    pytest.importorskip("triton", minversion="3.9", reason="Triton's interpreter works from 3.9 on")
    paths = []
    for number, (name, constants) in enumerate(VARIANTS):
        paths.append(tmp_path / f"{number}_{name}.py")
        paths[-1].write_text(retuned(SOURCES[name], **constants))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INTERPRETED, json.dumps((*EDGES, (67, 12, 3, 8))), *map(str, paths)],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stdout.strip() == "right", done.stderr[-2000:]


def test_seeds_compile_for_sm_90_without_spills_and_launch_little(recorder: Any) -> None:
    calls = [TASK.call(*shape) for shape in ((0, 64, 6, 16), (256, 128, 8, 64), (16384, 128, 8, 64))]
    for name, launches in (("naive", [2, 2, 2]), ("decent", [1, 1, 2])):
        recording = recorder.record(SOURCES[name], TASK.entry, calls)
        assert all(kernel.local_bytes == 0 for kernel in recording.kernels)
        assert [len(recording.plans[call.name].launches) for call in calls] == launches
        assert all(len(recording.plans[call.name].steps) == count for call, count in zip(calls, launches, strict=True))


def test_export_texts_name_the_module() -> None:
    texts = read_export(ROOT / "moe_align", "tuned")
    for text in (texts.usage, texts.test, texts.benchmark):
        assert "MODULE" not in text
        assert "from tuned import moe_align" in text
        ast.parse(text)
