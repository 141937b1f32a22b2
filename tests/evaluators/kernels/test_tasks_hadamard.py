"""Rotated and quantised vectors: contents, what honest float32 programs may do, what is refused; the seeds."""

from __future__ import annotations

import ast
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import hadamard

torch: Any = pytest.importorskip("torch")

import seeds  # noqa: E402 - torch is optional
from evaluators.kernels.floor import GpuFacts, roofline_seconds  # noqa: E402
from evaluators.kernels.screen import screen_kernel  # noqa: E402
from evaluators.kernels.suites.hadamard_quant import make_problem  # noqa: E402
from evaluators.kernels.task import Case, Fault  # noqa: E402
from evaluators.kernels.tasks.hadamard_judge import CHECKS, codes_of, packed_of  # noqa: E402
from evaluators.kernels.tasks.hadamard_quant import LAWS, TIMED_LAWS, HadamardQuant  # noqa: E402
from evaluators.model import Split  # noqa: E402
from evaluators.problem import ProblemError  # noqa: E402
from evolve.proposers.tuner.marks import faults, read_marks  # noqa: E402

TASK = HadamardQuant()
NOTHING: frozenset[str] = frozenset()
FOLDER = seeds.ROOT / "hadamard_quant"
SIGNS = torch.from_numpy(hadamard(128).astype(np.float64))
SCALING = 1 / (7 * math.sqrt(128))
SOURCES = {seed.name: seed.source for seed in seeds.read_seeds(FOLDER)}
each_law = pytest.mark.parametrize("law", LAWS)
each_split = pytest.mark.parametrize("split", Split)
each_seed = pytest.mark.parametrize("name", list(SOURCES))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other take seconds where processors are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def a_case(law: str, rows: int = 77, *, seed: int = 1, dtype: str = "bfloat16") -> Case:
    return Case(call=TASK.call(rows, dtype), law=law, seed=seed)


def judge(case: Case, program: Callable[[Any], Any], off: frozenset[str] = NOTHING) -> Fault | None:
    contents = TASK.contents(case, 0, "cpu")
    outputs = program(contents["x"])
    for output, form in zip(outputs, case.call.outputs, strict=True):
        assert (tuple(output.shape), str(output.dtype)) == (form.shape, f"torch.{form.dtype}")
    return TASK.fault(case, contents, TASK.truth(case, contents), outputs, off)


def quantised(rotated: Any, *, levels: float = 7.0) -> Any:
    """Codes and scales of rotated vectors that still are to be divided by the root of 128."""
    peak = rotated.abs().amax(dim=1)
    codes = torch.round(rotated * torch.where(peak > 0, levels / peak, 0.0)[:, None])
    return packed_of(codes), peak * SCALING


def product(x: Any) -> Any:
    return quantised(x.float() @ SIGNS.float())


def butterfly(x: Any) -> Any:
    """Seven rounds of sums and differences; divides by the scale; the root of 128 is taken out first."""
    rows = x.float() * (1 / math.sqrt(128))
    step = 1
    while step < 128:
        pairs = rows.view(len(x), 128 // (2 * step), 2, step)
        rows = torch.stack((pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]), dim=2).view(len(x), 128)
        step *= 2
    scale = rows.abs().amax(dim=1) / 7
    codes = torch.round(torch.where(scale > 0, 1.0, 0.0)[:, None] * rows / torch.where(scale > 0, scale, 1.0)[:, None])
    return packed_of(codes.clamp(-7, 7)), scale


def one_by_one(x: Any) -> Any:
    """Terms are added in order, one after the other."""
    terms = x.float()[:, :, None] * SIGNS.float()
    return quantised(terms.cumsum(dim=1)[:, -1])


def half_away(x: Any) -> Any:
    """Rounds half away from 0."""
    rotated = x.float() @ SIGNS.float()
    peak = rotated.abs().amax(dim=1)
    steps = rotated * torch.where(peak > 0, 7.0 / peak, 0.0)[:, None]
    return packed_of(torch.sign(steps) * torch.floor(steps.abs() + 0.5)), peak * SCALING


def cut_off(x: Any) -> Any:
    """Sums of 16 terms at a time, cut off to 24 bits rather than rounded, as matrix units may."""
    total = torch.zeros((len(x), 128), dtype=torch.float64)
    for start in range(0, 128, 16):
        total += x[:, start : start + 16].double() @ SIGNS[start : start + 16]
        mantissa, exponent = torch.frexp(total)
        total = torch.ldexp(torch.trunc(mantissa * 2**24), exponent - 24)
    return quantised(total.float())


HONEST = (product, butterfly, one_by_one, half_away, cut_off)


@pytest.mark.parametrize("program", HONEST)
@each_law
def test_honest_float32_programs_pass(law: str, program: Callable[[Any], Any]) -> None:
    for seed in range(2):
        for rows in (77, 1, 0, 300):
            assert judge(a_case(law, rows, seed=seed), program) is None


def test_reference_is_that_of_the_textbook() -> None:
    """Against SciPy's matrix in float64, row by row."""
    case = a_case("cache", 40)
    contents = TASK.contents(case, 0, "cpu")
    truth = TASK.truth(case, contents)
    for row in range(40):
        rotated = hadamard(128) @ contents["x"][row].double().numpy() / math.sqrt(128)
        scale = np.abs(rotated).max() / 7
        assert float(truth.scale[row]) == pytest.approx(scale, rel=1e-12)
        np.testing.assert_allclose(truth.steps[row].numpy(), rotated / scale, rtol=0, atol=1e-12)


def test_bytes_hold_two_codes_the_low_nibble_first() -> None:
    codes = torch.zeros((1, 128), dtype=torch.int64)
    codes[0, :6] = torch.tensor([1, -1, 7, -7, 0, 2])
    packed = packed_of(codes)
    assert packed[0, :4].tolist() == [0xF1, 0x97, 0x20, 0]
    assert codes_of(packed)[0, :6].tolist() == [1, -1, 7, -7, 0, 2]
    assert codes_of(torch.tensor([[0x88]], dtype=torch.uint8)).tolist() == [[-8, -8]]


def test_half_way_is_either_neighbours_and_nothing_else_is() -> None:
    """One value in two places: quotients are 7, 0, and with a third value half-way ones."""
    x = torch.zeros((1, 128), dtype=torch.bfloat16)
    x[0, 0], x[0, 1] = 13.0, 1.0
    case, contents = a_case("integers", 1), {"x": x}
    truth = TASK.truth(case, contents)
    assert truth.steps[0, :4].tolist() == pytest.approx([7.0, 6.0, 7.0, 6.0])
    x[0, 1], x[0, 2] = 0.5, 0.5
    truth = TASK.truth(case, contents)
    assert truth.steps[0, :4].tolist() == pytest.approx([7.0, 6.5, 6.5, 6.0])
    scale = truth.scale.float()
    for code, right in ((6, True), (7, True), (5, False), (-8, False)):
        codes = torch.round(truth.steps).long()
        codes[0, 1] = code
        assert (TASK.fault(case, contents, truth, (packed_of(codes), scale), NOTHING) is None) == right
    assert float(truth.slack.max()) < 2e-5


def test_little_is_left_to_the_program() -> None:
    """Codes of which either neighbour is right are rare where contents are not made for it."""
    for law in ("vectors", "cache", "outliers"):
        case = a_case(law, 2000)
        truth = TASK.truth(case, TASK.contents(case, 0, "cpu"))
        distance = ((truth.steps - truth.steps.floor()) - 0.5).abs()
        assert float((distance <= truth.slack[:, None]).double().mean()) < 3e-4
        assert float(truth.element.max()) < 1e-5


@each_law
def test_contents_are_of_the_declared_form_and_fresh(law: str) -> None:
    case = a_case(law)
    x = TASK.contents(case, 0, "cpu")["x"]
    assert (x.dtype, tuple(x.shape)) == (torch.bfloat16, (77, 128))
    assert x.is_contiguous()
    sizes = x[x != 0].double().abs()
    assert 2.0**-60 <= float(sizes.min()) <= float(sizes.max()) <= 2.0**60
    assert torch.equal(x, TASK.contents(case, 0, "cpu")["x"])
    assert not torch.equal(x, TASK.contents(case, 1, "cpu")["x"])
    assert not torch.equal(x, TASK.contents(a_case(law, seed=2), 0, "cpu")["x"])
    assert torch.equal(TASK.contents(a_case(law, dtype="float32"), 0, "cpu")["x"], x.float())


def test_laws_hold_what_they_promise() -> None:
    def of(law: str) -> Any:
        return TASK.contents(a_case(law, 1000), 0, "cpu")["x"].double()

    def steps(law: str) -> Any:
        case = a_case(law, 1000)
        return TASK.truth(case, TASK.contents(case, 0, "cpu")).steps

    assert 0.2 < float((of("zeros") == 0).all(dim=1).double().mean()) < 0.5
    assert set(of("binary").unique().tolist()) == {0.0, 1.0}
    halves = (steps("integers") - steps("integers").floor() - 0.5).abs() < 1e-9
    assert int(halves.sum()) > 100
    assert bool((steps("one_hot").abs().sub(7).abs() < 1e-9).all())
    assert len(steps("walsh").abs().argmax(dim=1).unique()) > 100
    assert float(of("scaled").abs().max() / of("scaled").abs().amax(dim=1).min()) > 2.0**60
    assert float(of("cache").pow(2).mean(dim=0).max() / of("cache").pow(2).mean(dim=0).median()) > 30


def in_bf16(x: Any) -> Any:
    return quantised((x.float() @ SIGNS.float()).bfloat16().float())


def in_fp16(x: Any) -> Any:
    return quantised((x.float() @ SIGNS.float()).half().float())


def other_order(x: Any) -> Any:
    """Walsh's order, by number of changes of sign."""
    order = (SIGNS[:, 1:] != SIGNS[:, :-1]).sum(dim=1).argsort()
    return quantised(x.float() @ SIGNS.float()[:, order])


def one_value_dropped(x: Any) -> Any:
    kept = x.float().clone()
    kept[:, 127] = 0
    return quantised(kept @ SIGNS.float())


def peak_of_half(x: Any) -> Any:
    rotated = x.float() @ SIGNS.float()
    peak = rotated[:, :64].abs().amax(dim=1)
    return packed_of((rotated * (7 / peak)[:, None]).round().clamp(-7, 7)), peak * SCALING


def rounded_down(x: Any) -> Any:
    rotated = x.float() @ SIGNS.float()
    peak = rotated.abs().amax(dim=1)
    return packed_of(torch.floor(rotated * (7 / peak)[:, None] + 0.49)), peak * SCALING


def nibbles_exchanged(x: Any) -> Any:
    codes, scale = product(x)
    return codes >> 4 | codes << 4, scale


def offset_codes(x: Any) -> Any:
    codes, scale = product(x)
    return codes ^ 0x88, scale


def eight_levels(x: Any) -> Any:
    codes, _ = quantised(x.float() @ SIGNS.float(), levels=7.5)
    return codes, product(x)[1] * 7 / 7.5


def not_orthonormal(x: Any) -> Any:
    codes, scale = product(x)
    return codes, scale * math.sqrt(128)


def bf16_scales(x: Any) -> Any:
    codes, scale = product(x)
    return codes, scale.bfloat16().float()


def guarded_by_an_epsilon(x: Any) -> Any:
    codes, scale = product(x)
    return codes, scale + 1e-8


def nan_of_zero(x: Any) -> Any:
    codes, scale = product(x)
    return codes, torch.where(scale == 0, float("nan"), scale)


def one_of_zero(x: Any) -> Any:
    codes, scale = product(x)
    return codes, torch.where(scale == 0, 1.0, scale)


def of_the_row_before(x: Any) -> Any:
    return tuple(output.roll(1, 0) for output in product(x))


def last_row_missing(x: Any) -> Any:
    codes, scale = product(x)
    codes[-1] = 0
    return codes, scale


def zeros(x: Any) -> Any:
    return torch.zeros((len(x), 64), dtype=torch.uint8), torch.zeros(len(x))


@pytest.mark.parametrize(
    ("program", "law", "check"),
    [
        (in_bf16, "vectors", "scale"),
        (in_fp16, "vectors", "scale"),
        (other_order, "vectors", "code"),
        (one_value_dropped, "vectors", "scale"),
        (peak_of_half, "walsh", "scale"),
        (rounded_down, "vectors", "code"),
        (nibbles_exchanged, "cache", "code"),
        (offset_codes, "cache", "code"),
        (eight_levels, "vectors", "scale"),
        (not_orthonormal, "vectors", "scale"),
        (bf16_scales, "vectors", "scale"),
        (guarded_by_an_epsilon, "scaled", "scale"),
        (guarded_by_an_epsilon, "zeros", "scale"),
        (nan_of_zero, "zeros", "finite"),
        (one_of_zero, "zeros", "scale"),
        (of_the_row_before, "vectors", "scale"),
        (last_row_missing, "vectors", "code"),
        (zeros, "vectors", "scale"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_cheap_tricks_are_found(program: Callable[[Any], Any], law: str, check: str) -> None:
    found = judge(a_case(law), program)
    assert found is not None
    assert found.check == check


def test_codes_of_a_bf16_rotation_are_found_beside_right_scales() -> None:
    def mixed(x: Any) -> Any:
        return in_bf16(x)[0], product(x)[1]

    found = judge(a_case("vectors"), mixed)
    assert found is not None
    assert found.check == "code"


def test_outputs_of_other_contents_are_found_by_every_check_of_values() -> None:
    case = a_case("cache")
    contents, other = (TASK.contents(case, number, "cpu") for number in (0, 1))
    for off in (NOTHING, {"scale"}, {"scale", "global"}, {"scale", "global", "bias"}):
        found = TASK.fault(case, contents, TASK.truth(case, contents), product(other["x"]), frozenset(off))
        assert found is not None


@pytest.mark.parametrize("check", TASK.checks)
def test_each_check_stands_alone_against_something(check: str) -> None:
    spoil = TASK.spoils()[check]
    for seed in range(3):
        case = TASK.audit_case(seed)
        contents = TASK.contents(case, 0, "cpu")
        truth = TASK.truth(case, contents)
        outputs = product(contents["x"])
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
    assert tuple(CHECKS) == TASK.checks == tuple(TASK.spoils())


def test_a_spoil_says_where_contents_do_not_suit() -> None:
    contents = TASK.contents(a_case("vectors", 5), 0, "cpu")
    with pytest.raises(ValueError, match="audit case"):
        TASK.spoils()["global"](product(contents["x"]), contents, torch.Generator())


def test_a_fault_says_what_where_and_by_how_much() -> None:
    case = a_case("vectors")
    contents = TASK.contents(case, 0, "cpu")
    truth = TASK.truth(case, contents)
    codes, scale = product(contents["x"])
    wrong = codes_of(codes)
    wrong[3, 11] = -8
    found = TASK.fault(case, contents, truth, (packed_of(wrong), scale), NOTHING)
    assert found is not None
    assert found.check == "code"
    assert found.reason.startswith("codes[3, 5] holds -8 in its high nibble, for element 11, which is ")
    assert "1 of 9856 codes are wrong" in found.reason
    scale[5] *= 1.001
    found = TASK.fault(case, contents, truth, (codes, scale), NOTHING)
    assert found is not None
    assert found.reason.startswith("scale[5] is ")


@each_split
def test_a_block_is_a_function_of_its_seed_and_covers_edges_and_laws(split: Split) -> None:
    first, other = TASK.workloads(split, bytes(range(32))), TASK.workloads(split, bytes(32))
    assert first == TASK.workloads(split, bytes(range(32)))
    assert [w.name for w in first] != [w.name for w in other]
    assert len({w.name for w in first}) == 6
    rows = [w.timed.call.tensors["x"].shape[0] for w in first]
    assert rows == sorted(rows)
    assert rows[-1] * 324 < 1.2e9
    cases = [case for w in first for case in w.checked]
    assert {case.law for case in cases} == set(LAWS)
    numbers = {case.call.tensors["x"].shape[0] for case in cases}
    assert {0, 1, 63, 65} <= numbers
    assert {w.timed.law for w in first} == {TIMED_LAWS[split]}
    for workload in first:
        assert {case.law for case in workload.checked if case.call == workload.timed.call} - {workload.timed.law}


def test_hidden_rows_and_contents_are_others() -> None:
    assert TIMED_LAWS[Split.HIDDEN] not in (TIMED_LAWS[Split.TRAIN], TIMED_LAWS[Split.VALIDATION])
    seen = {w.name for split in (Split.TRAIN, Split.VALIDATION) for w in TASK.workloads(split, bytes(32))}
    assert not seen & {w.name for w in TASK.workloads(Split.HIDDEN, bytes(32))}
    assert {"R=512", "R=131072"} <= seen


def test_floor_is_bytes_over_bandwidth() -> None:
    (case,) = [w.timed for w in TASK.workloads(Split.TRAIN, bytes(32)) if w.name == "R=131072"]
    traffic = TASK.traffic(case, {})
    assert (traffic.read_bytes, traffic.written_bytes) == (131072 * 256, 131072 * 68)
    assert traffic.flops == 2 * 131072 * 128
    card = GpuFacts(
        name="a card",
        architecture=90,
        sms=132,
        l2_bytes=0,
        memory_bytes=1 << 37,
        shared_bytes=232448,
        bandwidth=4.8e12,
        bf16_flops=989e12,
        fp32_flops=67e12,
        driver="",
        cuda="",
        torch="",
        triton="",
    )
    assert roofline_seconds(traffic, card) * 1e6 == pytest.approx(8.85, abs=0.01)
    assert roofline_seconds(traffic, replace(card, l2_bytes=60 << 20)) * 1e6 == pytest.approx(6.99, abs=0.01)


def test_the_problem_has_a_digest_and_its_own_workloads_alone() -> None:
    problem = make_problem("generated")
    assert problem.digest == make_problem("generated").digest
    assert len(problem.digest) == 16
    assert problem.declaration.checks == TASK.checks
    assert f"def {TASK.entry}({', '.join(TASK.parameters)}):" in problem.statement
    with pytest.raises(ProblemError, match="no workload"):
        make_problem("own")


def test_eager_is_right_and_every_other_column_has_a_reason() -> None:
    columns, missing = TASK.columns(), TASK.missing_columns()
    assert {"eager", "compiled", "compiled_bf16"} <= set(columns)
    assert not set(columns) & set(missing)
    assert {"vllm", "triton_kernels", "fast_hadamard"} <= set(columns) | set(missing)
    assert all(reason and "\n" not in reason for reason in missing.values())
    for rows in (77, 0):
        case = a_case("zeros", rows)
        contents = TASK.contents(case, 0, "cpu")
        outputs = columns["eager"](case, contents)
        assert TASK.fault(case, contents, TASK.truth(case, contents), outputs, NOTHING) is None


INTERPRETED = """
import importlib.util, json, sys
from evaluators.kernels.task import Case
from evaluators.kernels.tasks.hadamard_quant import LAWS, HadamardQuant

task = HadamardQuant()
for path, sizes in json.loads(sys.argv[1]):
    spec = importlib.util.spec_from_file_location("seed", path)
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    for number, rows in enumerate(sizes):
        for law in LAWS[number % 4 :: 4]:
            case = Case(call=task.call(rows, "float32"), law=law, seed=number)
            contents = task.contents(case, 0, "cpu")
            kept = contents["x"].clone()
            outputs = program.hadamard_quant(**contents)
            for output, form in zip(outputs, case.call.outputs, strict=True):
                assert (tuple(output.shape), str(output.dtype)) == (form.shape, f"torch.{form.dtype}"), (path, case)
            assert kept.equal(contents["x"])
            fault = task.fault(case, contents, task.truth(case, contents), outputs, frozenset())
            assert fault is None, (path, case, fault)
print("right")
"""


def interpret(jobs: list[tuple[str, list[int]]]) -> None:
    """Hold programs to what is right in a process of its own: the interpreter is chosen before Triton is imported."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", INTERPRETED, json.dumps(jobs)],
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.strip() == "right", done.stderr[-2000:]


def retuned(source: str, **constants: int) -> str:
    """The program with other values at its marks."""
    lines = source.splitlines()
    for name, value in constants.items():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{name} = ")]
        lines[at] = f"{name} = {value}"
    return "\n".join(lines) + "\n"


@each_seed
def test_a_seed_names_its_source_and_passes_the_screen(name: str) -> None:
    tree = ast.parse(SOURCES[name])
    assert "Source: ours" in (ast.get_docstring(tree) or "")
    assert screen_kernel(tree, entry=TASK.entry) is None
    assert faults(SOURCES[name]) == []
    assert read_marks(SOURCES[name], TASK.entry) == read_marks(SOURCES[name]) != ()


def test_seeds_are_right_at_the_edges_and_ends_of_their_marks_in_the_interpreter(tmp_path: Path) -> None:
    pytest.importorskip("triton", minversion="3.9", reason="Triton's interpreter works from 3.9 on")
    jobs = [(str(FOLDER / "naive.py"), [0, 1, 7]), (str(FOLDER / "decent.py"), [0, 1, 17, 67])]
    settings = ({"FEW": 0, "ROWS": 32, "PROGRAMS": 2}, {"FEW": 0, "ROWS": 128}, {"FEW_ROWS": 64})
    for number, constants in enumerate(settings):
        path = tmp_path / f"{number}.py"
        path.write_text(retuned(SOURCES["decent"], **constants))
        jobs.append((str(path), [131]))
    interpret(jobs)


@pytest.mark.parametrize(("name", "numbers", "most"), [("decent", [131072, 512, 0], 128), ("naive", [512], 168)])
def test_seeds_compile_for_sm_90_without_spills(recorder: Any, name: str, numbers: list[int], most: int) -> None:
    calls = [TASK.call(rows) for rows in numbers]
    recording = recorder.record(SOURCES[name], TASK.entry, calls)
    for kernel in recording.kernels:
        assert kernel.local_bytes == 0
        assert kernel.registers <= most
        assert kernel.shared_bytes <= 75_000
    for call in calls:
        assert len(recording.plans[call.name].launches) == (call.outputs[0].items > 0)
