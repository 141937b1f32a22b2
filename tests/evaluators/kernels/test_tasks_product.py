"""Product-key routing: contents, honest programs, what each check stands against, shapes, floor, columns, seeds."""

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
from evaluators.kernels.suites import product_key_router as suite  # noqa: E402
from evaluators.kernels.task import Case, Fault  # noqa: E402
from evaluators.kernels.tasks.product_key_router import LAWS, ProductKeyRouter  # noqa: E402
from evaluators.model import Split  # noqa: E402
from evaluators.problem import ProblemError  # noqa: E402
from seeds import ROOT, read_export, read_seeds, read_statement  # noqa: E402

TASK = ProductKeyRouter()
NOTHING: frozenset[str] = frozenset()
SEED, OTHER = bytes(range(32)), bytes(32)
SOURCES = {seed.name: seed.source for seed in read_seeds(ROOT / "product_key_router")}
EDGES = ((0, 64, 16), (1, 300, 20), (5, 60, 5), (3, 8, 8), (5, 33, 1), (11, 64, 12), (2, 160, 10))
each_law = pytest.mark.parametrize("law", LAWS)
each_split = pytest.mark.parametrize("split", Split)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take seconds where processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def a_case(law: str, shape: tuple[int, int, int] = (77, 64, 8), *, seed: int = 1, dtype: str = "bfloat16") -> Case:
    return Case(call=TASK.call(*shape, dtype), law=law, seed=seed)


def judge(case: Case, program: Callable[..., Any], off: frozenset[str] = NOTHING) -> Fault | None:
    contents = TASK.contents(case, 0, "cpu")
    outputs = program(**contents, **case.call.scalars)
    for output, form in zip(outputs, case.call.outputs, strict=True):
        assert (tuple(output.shape), str(output.dtype)) == (form.shape, f"torch.{form.dtype}")
    return TASK.fault(case, contents, TASK.truth(case, contents), outputs, off)


def best_of(sums: Any, k: int) -> Any:
    scores, ids = torch.topk(sums.flatten(1), k, dim=1)
    return scores.float(), ids.int()


def every_pair(a: Any, b: Any, k: int) -> Any:
    """All S * S sums in float32: no thought of axes."""
    return best_of(a.float()[:, :, None] + b.float()[:, None, :], k)


def every_pair_in_float64(a: Any, b: Any, k: int) -> Any:
    return best_of(a.double()[:, :, None] + b.double()[:, None, :], k)


def last_of_ties(a: Any, b: Any, k: int) -> Any:
    side = a.shape[1]
    scores, ids = every_pair(a.flip(1), b.flip(1), k)
    return scores, side * side - 1 - ids


def by_axes(a: Any, b: Any, k: int) -> Any:
    case = Case(call=TASK.call(*a.shape, k), law="normal", seed=0)
    return tuple(TASK.columns()["eager"](case, {"a": a, "b": b}))


@pytest.mark.parametrize("program", [every_pair, every_pair_in_float64, last_of_ties, by_axes])
@each_law
def test_honest_programs_pass_whatever_they_do_with_ties(law: str, program: Callable[..., Any]) -> None:
    for seed in range(2):
        for shape in ((77, 64, 8), (0, 64, 16), (1, 128, 32), (9, 60, 5), (3, 8, 8), (5, 33, 1), (3, 1, 1)):
            assert judge(a_case(law, shape, seed=seed), program) is None


@each_law
def test_the_reference_is_that_of_all_pairs(law: str) -> None:
    for shape in ((40, 33, 8), (5, 8, 8), (7, 100, 1)):
        case = a_case(law, shape)
        contents = TASK.contents(case, 0, "cpu")
        sums = contents["a"].double()[:, :, None] + contents["b"].double()[:, None, :]
        right = sums.flatten(1).sort(dim=1, descending=True).values[:, : shape[2]]
        assert torch.equal(TASK.truth(case, contents).best, right)


@each_law
def test_contents_are_of_the_declared_form_and_fresh(law: str) -> None:
    case = a_case(law)
    first, again, other = (TASK.contents(case, number, "cpu") for number in (0, 0, 1))
    wide = TASK.contents(a_case(law, dtype="float32"), 0, "cpu")
    for name in ("a", "b"):
        assert (first[name].dtype, tuple(first[name].shape)) == (torch.bfloat16, (77, 64))
        assert first[name].is_contiguous()
        assert torch.equal(first[name], again[name])
        assert torch.equal(wide[name], first[name].float()), "another type holds the same bf16 numbers"
        assert not torch.equal(first[name], other[name])
        assert not torch.equal(first[name], TASK.contents(a_case(law, seed=2), 0, "cpu")[name])
    assert bool(torch.isfinite(first["a"].float() + first["b"].float()).all())
    assert not torch.equal(first["a"], first["b"])


def test_laws_hold_what_they_promise() -> None:
    def pairs(law: str) -> tuple[Any, Any, Any]:
        contents = TASK.contents(a_case(law, (300, 64, 8)), 0, "cpu")
        a, b = (contents[name].float() for name in ("a", "b"))
        return a, b, every_pair(contents["a"], contents["b"], 8)

    _, _, (scores, _) = pairs("grid")
    assert bool((scores == torch.tensor([0.0, -1, -1, -2, -2, -2, -3, -3])).all())
    _, _, (_, ids) = pairs("steep")
    alone = (ids // 64 == ids[:, :1] // 64).all(dim=1) | (ids % 64 == ids[:, :1] % 64).all(dim=1)
    assert float(alone.float().mean()) > 0.6
    a, b, _ = pairs("absorbed")
    exact = a.double()[:, :, None] + b.double()[:, None, :]
    assert float((exact.float().double() != exact).double().mean()) > 0.5
    a, _, (sums, _) = pairs("cancelling")
    assert float(sums.abs().max()) < 16
    assert float(a.min()) > 150
    assert bool((pairs("equal")[2][0] == pairs("equal")[2][0][:, :1]).all())


def in_bf16(a: Any, b: Any, k: int) -> Any:
    return best_of((a[:, :, None] + b[:, None, :]).float(), k)


def rounded_to_bf16(a: Any, b: Any, k: int) -> Any:
    scores, ids = every_pair(a, b, k)
    return scores.bfloat16().float(), ids


def around_the_mean(a: Any, b: Any, k: int) -> Any:
    """As a program that subtracts something first and adds it again: three additions, not one."""
    scores, ids = every_pair(a, b, k)
    mean = a.float().mean(dim=1, keepdim=True)
    left = a.float().gather(1, ids.long() // a.shape[1]) - mean
    scores = (left + b.float().gather(1, ids.long() % a.shape[1])) + mean
    return scores.sort(dim=1, descending=True).values, ids


def fewer_of_each_axis(a: Any, b: Any, k: int) -> Any:
    """The half of k best of either axis, as if a staircase were a square."""
    side, few = a.shape[1], max(1, k // 2)
    best_a, rows = torch.topk(a.float(), few, dim=1)
    best_b, lines = torch.topk(b.float(), few, dim=1)
    scores, pairs = torch.topk((best_a[:, :, None] + best_b[:, None, :]).flatten(1), k, dim=1)
    return scores, (rows.gather(1, pairs // few) * side + lines.gather(1, pairs % few)).int()


def axes_in_step(a: Any, b: Any, k: int) -> Any:
    """Best with best, second with second."""
    best_a, rows = torch.topk(a.float(), k, dim=1)
    best_b, lines = torch.topk(b.float(), k, dim=1)
    return best_a + best_b, (rows * a.shape[1] + lines).int()


def turned(a: Any, b: Any, k: int) -> Any:
    scores, ids = every_pair(a, b, k)
    return scores, ids % a.shape[1] * a.shape[1] + ids // a.shape[1]


def rising(a: Any, b: Any, k: int) -> Any:
    scores, ids = every_pair(a, b, k)
    return scores.flip(1), ids.flip(1)


def last_row_missing(a: Any, b: Any, k: int) -> Any:
    scores, ids = every_pair(a, b, k)
    scores[-1], ids[-1] = 0, 0
    return scores, ids


def zeros(a: Any, b: Any, k: int) -> Any:
    return torch.zeros((len(a), k)), torch.zeros((len(a), k), dtype=torch.int32)


def of_other_contents(a: Any, b: Any, k: int) -> Any:
    return every_pair(a.flip(0), b.flip(0), k)


def infinite(a: Any, b: Any, k: int) -> Any:
    scores, ids = every_pair(a, b, k)
    return torch.full_like(scores, float("inf")), ids


@pytest.mark.parametrize(
    ("program", "law", "check"),
    [
        (infinite, "normal", "finite"),
        (zeros, "normal", "distinct"),
        (last_row_missing, "router", "distinct"),
        (in_bf16, "normal", "choice"),
        (in_bf16, "absorbed", "choice"),
        (fewer_of_each_axis, "steep", "choice"),
        (axes_in_step, "normal", "choice"),
        (turned, "normal", "choice"),
        (of_other_contents, "normal", "choice"),
        (rising, "normal", "falling"),
        (rounded_to_bf16, "normal", "element"),
        (around_the_mean, "normal", "element"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_cheap_tricks_are_found(program: Callable[..., Any], law: str, check: str) -> None:
    found = judge(a_case(law), program)
    assert found is not None
    assert found.check == check


@pytest.mark.parametrize("check", TASK.checks)
def test_each_check_stands_alone_against_something(check: str) -> None:
    spoil = TASK.spoils()[check]
    for seed in range(3):
        case = TASK.audit_case(seed)
        contents = TASK.contents(case, 0, "cpu")
        truth = TASK.truth(case, contents)
        outputs = by_axes(contents["a"], contents["b"], int(case.call.scalars["k"]))
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
    from evaluators.kernels.tasks.product_judge import CHECKS

    assert tuple(CHECKS) == TASK.checks == tuple(TASK.spoils())


def test_a_spoil_says_where_contents_do_not_suit() -> None:
    contents = {"a": torch.tensor([[1.0, 0.0]]), "b": torch.tensor([[3.0, 0.0]])}
    with pytest.raises(ValueError, match="audit case"):
        TASK.spoils()["distinct"](every_pair(**contents, k=2), contents, torch.Generator())


def test_one_rounding_passes_and_two_units_do_not() -> None:
    case = a_case("absorbed", (40, 64, 8))
    contents = TASK.contents(case, 0, "cpu")
    truth = TASK.truth(case, contents)
    scores, ids = every_pair(**contents, k=8)
    assert TASK.fault(case, contents, truth, (scores, ids), NOTHING) is None
    lower = torch.nextafter(scores, torch.full_like(scores, float("-inf")))
    found = TASK.fault(case, contents, truth, (lower, ids), NOTHING)
    assert found is not None
    assert found.check == "element"


def test_a_fault_names_the_pairs() -> None:
    contents = {"a": torch.tensor([[1.0, 0.0]]).bfloat16(), "b": torch.tensor([[3.0, 0.0]]).bfloat16()}
    case = a_case("normal", (1, 2, 2))
    truth = TASK.truth(case, contents)
    outputs = (torch.tensor([[4.0, 1.0]]), torch.tensor([[0, 1]], dtype=torch.int32))
    found = TASK.fault(case, contents, truth, outputs, NOTHING)
    assert found is not None
    assert found.check == "choice"
    assert found.reason.startswith(
        "ids[0] are the pairs [[0, 0], [0, 1]], not those of the 2 largest sums: number 1 of "
    )
    assert "is 1, of the largest 3" in found.reason


@each_split
def test_a_block_is_a_function_of_its_seed_and_grows(split: Split) -> None:
    first = TASK.workloads(split, SEED)
    assert first == TASK.workloads(split, SEED)
    assert [w.name for w in first] != [w.name for w in TASK.workloads(split, OTHER)]
    for seed in (SEED, OTHER, b"x" * 32):
        workloads = TASK.workloads(split, seed)
        assert len({w.name for w in workloads}) == len(workloads) == 6
        sizes = [TASK.traffic(w.timed, {}).read_bytes for w in workloads]
        assert sizes[0] == min(sizes)
        assert sizes[-1] == max(sizes)
        assert all(large > 0.6 * small for small, large in pairwise(sizes))
        cases = [case for w in workloads for case in w.checked]
        assert {case.law for case in cases} == set(LAWS)
        rows = {case.call.outputs[0].shape[0] for case in cases}
        assert {0, 1} <= rows
        assert any(count % 2 and count > 1 for count in rows)
        for w in workloads:
            assert all(int(c.call.scalars["k"]) <= c.call.tensors["a"].shape[1] <= 4096 for c in (w.timed, *w.checked))
            assert {c.law for c in w.checked if c.call == w.timed.call} - {w.timed.law}


def test_hidden_shapes_and_contents_are_others() -> None:
    def sides(split: Split) -> set[int]:
        return {w.timed.call.tensors["a"].shape[1] for w in TASK.workloads(split, SEED)}

    assert not sides(Split.HIDDEN) & (sides(Split.TRAIN) | sides(Split.VALIDATION))
    assert {w.timed.law for w in TASK.workloads(Split.HIDDEN, SEED)} == {"normal"}
    assert {w.timed.law for w in TASK.workloads(Split.TRAIN, SEED)} == {"router"}


def test_shapes_are_listed_without_torch() -> None:
    program = (
        "import sys; from evaluators.model import Split; from evaluators.kernels.tasks import product_key_router as p; "
        "p.ProductKeyRouter().workloads(Split.TRAIN, b''); assert not {'torch', 'triton'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_floor_counts_every_byte_once() -> None:
    traffic = TASK.traffic(a_case("router", (16384, 512, 16)), {})
    assert (traffic.read_bytes, traffic.written_bytes) == (2 * 16384 * 512 * 2, 16384 * 16 * 8)
    assert traffic.flops == 16384 * 16


def test_a_case_cut_to_few_rows_is_a_call_of_its_own() -> None:
    case = a_case("mixed", (4096, 64, 16))
    small = TASK.shrunk(case, 67)
    assert small.call.outputs == TASK.call(5, 64, 16).outputs
    assert small.call.name != case.call.name
    assert TASK.shrunk(small, 67) == small
    assert TASK.shrunk(case, 3).call.tensors["a"].shape == (3, 64)
    assert TASK.shrunk(a_case("mixed", (4096, 64, 64), dtype="float32"), 67).call.tensors["a"].dtype == "float32"
    assert judge(small, every_pair) is None


def test_the_problem_is_declared_and_its_digest_is_that_of_its_facts() -> None:
    problem = suite.make_problem("generated")
    assert problem.digest == suite.make_problem("generated").digest
    assert problem.declaration.parameters == TASK.parameters
    assert {seed.name for seed in problem.seeds} == {"naive", "decent"}
    with pytest.raises(ProblemError, match="shapes are its own"):
        suite.make_problem("trace.npz")


def test_every_library_has_a_column_or_a_reason() -> None:
    columns, missing = TASK.columns(), TASK.missing_columns()
    assert set(columns) == {"eager", "compiled"}
    assert set(missing) == {"vllm", "triton_kernels"}


@pytest.mark.gpu
def test_every_column_is_right_on_the_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU: torch sees none")
    for shape, law in product(((77, 64, 16), (513, 512, 32)), ("router", "mixed")):
        case = a_case(law, shape)
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
    assert f"def {TASK.entry}({', '.join(TASK.parameters)}):" in read_statement(ROOT / "product_key_router")


def retuned(source: str, **constants: int) -> str:
    lines = source.splitlines()
    for name, value in constants.items():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[at] = f"{name} = {value}"
    return "\n".join(lines) + "\n"


VARIANTS: tuple[tuple[str, dict[str, int]], ...] = (
    ("naive", {}),
    ("decent", {}),
    ("decent", {"FEW": 0, "ITEMS": 32, "WARPS": 1}),
)
# In the guest's own process, where every address that a kernel touches is held to its tensors.
INTERPRETED = """
import json, sys
from evaluators.kernels.inside.interpret import interpret
from evaluators.kernels.task import Case
from evaluators.kernels.tasks.product_key_router import LAWS, ProductKeyRouter
import torch

torch.set_num_threads(1)
task = ProductKeyRouter()
shapes, *paths = sys.argv[1:]
kinds = {"a": "float32", "b": "float32"}
for path in paths:
    source = open(path).read()
    for number, shape in enumerate(json.loads(shapes)):
        for law in LAWS[number % 6 :: 6]:
            case = Case(call=task.call(*shape, "float32"), law=law, seed=number)
            contents = task.contents(case, 0, "cpu")
            arrays = {"argument_" + name: tensor.numpy() for name, tensor in contents.items()}
            found = interpret(source, task.entry, kinds, case.call.scalars, **arrays)
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
        [sys.executable, "-W", "ignore", "-c", INTERPRETED, json.dumps(EDGES), *map(str, paths)],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.stdout.strip() == "right", done.stderr[-2000:]


def test_seeds_compile_for_sm_90_without_spills_in_one_launch(recorder: Any) -> None:
    calls = [TASK.call(*shape) for shape in ((16384, 512, 16), (3000, 512, 32))]
    for source in SOURCES.values():
        recording = recorder.record(source, TASK.entry, calls)
        assert all(kernel.local_bytes == 0 for kernel in recording.kernels)
        assert all(len(recording.plans[call.name].steps) == 1 for call in calls)


def test_export_texts_name_the_module() -> None:
    texts = read_export(ROOT / "product_key_router", "tuned")
    for text in (texts.usage, texts.test, texts.benchmark):
        assert "MODULE" not in text
        assert "from tuned import product_key_router" in text
        ast.parse(text)
