"""Records real Triton modules on a machine without a GPU."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("triton")

from evaluators.kernels.forms import Call, Form
from evaluators.kernels.plan import Fill, Launch, Pointer, Recording, Scalar, TensorMap
from evaluators.kernels.recording import FACTS, Recorder, empty_recording
from evaluators.model import Outcome
from evaluators.problem import RefusedError
from sandbox import ENFORCED

Kernels = Mapping[str, tuple[str, str, tuple[Call, ...]]]

COPY = """
import torch
import triton
import triton.language as tl


@triton.jit
def copy_kernel(x, y, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + at, tl.load(x + at, mask=at < n), mask=at < n)


def copy(x):
    n = x.numel()
    y = torch.empty_like(x)
    %s
    copy_kernel[(triton.cdiv(n, 256),)](x, y, n, BLOCK=256)
    return y
"""
BODY_LINE = 16
VECTOR = Form(dtype="float32", shape=(1000,))
COPY_CALL = Call(name="the call", tensors={"x": VECTOR}, outputs=(VECTOR,))


def record(recorder: Recorder, body: str = "pass", source: str = COPY, call: Call = COPY_CALL) -> Recording:
    return recorder.record(source.replace("%s", body), "copy", [call])


def refusal(recorder: Recorder, body: str = "pass", source: str = COPY, call: Call = COPY_CALL) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        record(recorder, body, source, call)
    return caught.value


def launches(recording: Recording) -> list[Launch]:
    return [launch for plan in recording.plans.values() for launch in plan.launches]


def test_a_kernel_is_recorded_for_each_call(recorder: Recorder, kernels: Kernels) -> None:
    recording = recorder.record(*kernels["scale"])
    assert list(recording.plans) == ["n=1000", "n=4096", "n=0"]
    odd, even, empty = (plan.launches for plan in recording.plans.values())
    assert odd[0].grid == (4, 1, 1)
    assert odd[0].arguments[:2] == (Pointer(buffer=0, offset=0), Pointer(buffer=1, offset=0))
    assert odd[0].arguments[2:] == (Scalar(type="i32", value=1000), Scalar(type="fp32", value=0.5))
    assert even[0].kernel != odd[0].kernel  # 4096 is a multiple of 16, which the compiler uses
    assert empty == ()
    assert [storage.argument for storage in recording.plans["n=1000"].storages] == ["x", ""]
    assert recording.kernels[0].name == "scale_kernel"
    assert recording.kernels[0].registers > 0
    assert recording.seconds > 0


def test_machine_code_does_not_depend_on_the_text_around(recorder: Recorder, kernels: Kernels) -> None:
    source, entry, calls = kernels["scale"]
    first = recorder.record(source, entry, calls)
    assert recorder.record("# moved by a line\n" + source, entry, calls).cubins == first.cubins


def test_host_code_may_ask_for_registers_and_processors(recorder: Recorder, kernels: Kernels) -> None:
    recording = recorder.record(*kernels["softmax"])
    (launch,) = launches(recording)
    registers = recording.kernels[launch.kernel].registers
    assert launch.grid == (min(132 * (65_536 // (registers * 32 * 8)), 300), 1, 1)


def test_absent_arguments_and_ones_are_compiled_in(recorder: Recorder, kernels: Kernels) -> None:
    recording = recorder.record(*kernels["matmul"])
    plain, bias = launches(recording)
    assert (len(plain.arguments), len(bias.arguments)) == (10, 11)
    assert plain.grid == (4, 2, 1)
    assert bias.arguments[3] == Pointer(buffer=2, offset=0)
    assert bias.arguments[-1] == Scalar(type="fp32", value=0.25)
    assert recording.kernels[plain.kernel].shared_bytes > 0


def test_a_chain_fills_and_launches_in_order(recorder: Recorder, kernels: Kernels) -> None:
    recording = recorder.record(*kernels["chain"])
    (plan,) = recording.plans.values()
    fill, first, second = plan.steps
    assert fill == Fill(place=Pointer(buffer=1, offset=0), count=11, pattern=bytes(4))
    assert isinstance(first, Launch)
    assert isinstance(second, Launch)
    assert first.arguments[1] == second.arguments[0] == Pointer(buffer=1, offset=0)
    assert plan.outputs[0].place == Pointer(buffer=2, offset=0)


def test_descriptors_made_by_the_host_become_tensor_maps(recorder: Recorder, kernels: Kernels) -> None:
    (launch,) = launches(recorder.record(*kernels["descriptors"]))
    source = launch.arguments[0]
    assert isinstance(source, TensorMap)
    assert (source.shape, source.strides, source.block) == ((256, 128), (128, 1), (32, 64))
    assert (source.element, source.item_bytes) == (6, 2)


def test_descriptors_made_on_the_device_need_scratch(recorder: Recorder, kernels: Kernels) -> None:
    recording = recorder.record(*kernels["device descriptors"])
    (launch,) = launches(recording)
    kernel = recording.kernels[launch.kernel]
    assert kernel.global_scratch_bytes >= 2 * 128
    assert kernel.global_scratch_align == 128
    assert len(recording.plans["the call"].storages) == 2


FILLS = {
    "torch.zeros(4, 4, device='cuda', dtype=torch.int64)": [(2, 0, 32, "00000000")],
    "torch.full((3,), 2.5, device='cuda')": [(3, 0, 3, "00002040")],
    "torch.full((3,), fill_value=7, dtype=torch.int16, device=x.device)": [(4, 0, 3, "0700")],
    "torch.full_like(x, -1, dtype=torch.int64)": [(5, 0, 2000, "ffffffff")],
    "torch.ones_like(x)": [(6, 0, 1000, "0000803f")],
    "x.new_zeros(3, dtype=torch.bfloat16)": [(7, 0, 3, "0000")],
    "x.new_full((2,), True, dtype=torch.bool)": [(8, 0, 2, "01")],
    "y.zero_()": [(1, 0, 1000, "00000000")],
    "y.view(10, 100)[3:5].fill_(1)": [(1, 1200, 200, "0000803f")],
    "y[:0].fill_(1)": [],
}


def test_fills_are_steps(recorder: Recorder) -> None:
    (plan,) = record(recorder, "; ".join(FILLS)).plans.values()
    found = [step for step in plan.steps if isinstance(step, Fill)]
    wanted = [fill for fills in FILLS.values() for fill in fills]
    assert [(fill.place.buffer, fill.place.offset, fill.count, fill.pattern.hex()) for fill in found] == wanted


ANSWERS = """
    x = x.contiguous().view(-1).to(x.device).to('cuda').cuda().reshape(-1).detach().float().to(y)
    assert x.is_cuda and x.device.type == 'cuda' and x.device.index == 0 and not x.is_meta and x.data_ptr() % 16 == 0
    assert x[4:].data_ptr() - x.data_ptr() == 16 and x.view(2, -1).T.stride() == (1, 500)
    assert torch.cuda.is_available() and torch.cuda.current_device() == 0 and torch.cuda.device_count() == 1
    assert torch.cuda.get_device_properties(x.device).multi_processor_count == 132
    assert torch.cuda.get_device_capability() == (9, 0) and 'H200' in torch.cuda.get_device_name()
    assert torch.cuda.current_stream().cuda_stream == 0
    torch.cuda.synchronize()
    torch.set_grad_enabled(False)
    print(x)
    torch.empty(4, dtype=torch.float8_e4m3fn, device='cuda')
    assert torch.zeros(3).sum().item() == 0  # on the host
"""


def test_ordinary_questions_are_answered(recorder: Recorder) -> None:
    assert len(launches(record(recorder, ANSWERS.strip()))) == 1


def test_views_have_offsets(recorder: Recorder) -> None:
    body = "y = torch.empty(2 * n, device='cuda')[n:]; copy_kernel[(1,)](x[1:], y, 992, 256); n = 992"
    recording = record(recorder, body)
    shifted, plain = launches(recording)
    assert shifted.arguments[0] == Pointer(buffer=0, offset=4)
    assert shifted.kernel != plain.kernel  # the compiler may not assume 16 bytes of alignment
    assert recording.plans["the call"].outputs[0].place == Pointer(buffer=2, offset=4000)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("if x.sum() > 0: pass", "torch.sum computes"),
        ("if x[0]: pass", "torch.item reads a tensor's contents"),
        ("int(x[0])", "torch.item reads"),
        ("x.tolist()", "torch.tolist reads"),
        ("x.numpy()", "torch.numpy reads"),
        ("torch.equal(x, y)", "torch.equal reads"),
        ("x.cpu()", "torch.to computes, copies"),
        ("x.to(torch.float16)", "torch.to computes, copies"),
        ("x.half()", "torch.to computes, copies"),
        ("x.view(10, -1).t().contiguous()", "torch.clone computes, copies"),
        ("y.copy_(x)", "torch.copy_ computes"),
        ("y[0] = 1.0", "torch.copy_ computes"),
        ("y = x + 1", "torch.add computes"),
        ("torch.arange(4, device='cuda')", "torch.arange computes"),
        ("torch.randn(4, device=x.device)", "torch.randn computes"),
        ("torch.tensor([1, 2], device='cuda')", "torch.tensor computes, copies"),
        (
            "torch.full((4,), 5, dtype=torch.int64, device='cuda')",
            "up to 4 bytes, not with 0x0000000000000005",
        ),
        ("torch.empty(4, 4, device='cuda')[:, 0].zero_()", "covers one stretch of memory"),
        ("torch.empty(1 << 50, device='cuda')", "allocates 4503599627370496 bytes"),
        (
            "copy_kernel[(1,)](torch.empty(4), y, n, 256)",
            "argument x of kernel copy_kernel: a Tensor that is not",
        ),
        ("for _ in range(5000): y.zero_()", "launches and fills more than 4096 times"),
        ("copy_kernel[(-1,)](x, y, n, 256)", "launches a grid of [-1, 1, 1]"),
        ("copy_kernel[(1,)](x, y, n, 256, launch_cooperative_grid=True)", "cannot be replayed"),
        ("copy_kernel[(1,)](x, y, 1 << 45, 256)", "an address is passed as a number"),
        ("copy_kernel[(1,)](x, y, n, 1 << 21)", "does not compile: numel (2097152) exceeds"),
        ("import evaluators.kernels; open(evaluators.kernels.__file__)", "FileNotFoundError"),
        ("import subprocess; subprocess.run([triton.knobs.nvidia.cuobjdump.path])", "PermissionError"),
        ("x.nonsense", "AttributeError: 'Dataless' object has no attribute 'nonsense'"),
    ],
)
def test_what_needs_data_or_cannot_be_replayed_is_refused(recorder: Recorder, body: str, message: str) -> None:
    error = refusal(recorder, body)
    assert error.outcome is Outcome.CRASHED
    assert message in str(error)
    line = 9 if "does not compile" in message else BODY_LINE
    assert f"(line {line})" in str(error)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return None", "the output must be a tensor on the device, not NoneType"),
        ("return (y, y)", "must return a tensor, not a tuple of 2"),
        ("return x", "lies in the memory of argument 'x'"),
        ("return x.view(10, -1)[1]", "must be float32[1000], not float32[100]"),
        ("return torch.empty(n, dtype=torch.float16, device='cuda')", "must be float32[1000], not float16[1000]"),
        ("return torch.empty(n)", "must be a tensor on the device, not a tensor elsewhere"),
        ("return torch.empty(2 * n, device='cuda')[::2]", "must be contiguous, not with strides [2]"),
        ("torch.KEPT = getattr(torch, 'KEPT', y); return torch.KEPT", "from outside of the call"),
        (
            "torch.COUNT = getattr(torch, 'COUNT', 0) + 1; copy_kernel[(torch.COUNT,)](x, y, n, 256)",
            "the plan of call 'the call' depends on more than its arguments",
        ),
    ],
)
def test_wrong_outputs_and_changing_plans_are_refused(recorder: Recorder, body: str, message: str) -> None:
    error = refusal(recorder, body)
    assert message in str(error)
    assert error.outcome is (Outcome.CRASHED if "outside" in message else Outcome.WRONG)


def test_outputs_may_share_a_buffer_but_not_memory(recorder: Recorder) -> None:
    half = Form(dtype="float32", shape=(1000,))
    call = Call(name="the call", tensors={"x": VECTOR}, outputs=(half, half))
    recording = record(recorder, "y = torch.empty(2, n, device='cuda'); return y[0], y[1]", call=call)
    assert [output.place.offset for output in recording.plans["the call"].outputs] == [0, 4000]
    error = refusal(recorder, "return y, y", call=call)
    assert "output 1 shares memory with another output" in str(error)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "tl.load(x + at,",
            "tl.lode(x + at,",
            "does not compile: AttributeError(\"module 'triton.language' has no",
        ),
        ("mask=at < n), mask", "mask=at < m), mask", "NameError"),
        ("tl.store(y", "tl.static_assert(BLOCK > 999, 'too small'); tl.store(y", "static assertion failed: too small"),
        ("tl.load(x + at", "tl.load(x + at[None, :]", "does not compile"),
    ],
)
def test_compiler_errors_name_the_line(recorder: Recorder, old: str, new: str, message: str) -> None:
    assert old in COPY
    error = refusal(recorder, source=COPY.replace(old, new))
    assert message in str(error)
    assert "(line 10)" in str(error)
    assert "\n" not in str(error)


ASSEMBLY = "tl.inline_asm_elementwise('bogus.f32 $0, $1;', '=f,f', [at], dtype=tl.float32, is_pure=True, pack=1)"


def test_errors_of_the_assembler_and_of_passes_are_trimmed(recorder: Recorder) -> None:
    error = refusal(recorder, source=COPY.replace("tl.load(x + at, mask=at < n)", ASSEMBLY))
    assert str(error) == "does not compile: ptxas: Not a name of any known instruction: 'bogus' (line 17)"
    printed = "import sys; print('<text>:7:1: error: too wide', file=sys.stderr); raise RuntimeError('%s')"
    assert str(refusal(recorder, printed % "PassManager::run failed")).endswith("(line 16): too wide")
    assert str(refusal(recorder, printed % "other")).endswith("(line 16)")


def test_shared_memory_beyond_the_device_is_told(recorder: Recorder, kernels: Kernels) -> None:
    source, entry, calls = kernels["matmul"]
    wide = source.replace("BLOCK_M=64, BLOCK_N=64, BLOCK_K=32", "BLOCK_M=128, BLOCK_N=128, BLOCK_K=64")
    wide = wide.replace("num_stages=3", "num_stages=9")
    with pytest.raises(RefusedError, match="out of resource: shared memory"):
        recorder.record(wide, entry, calls[:1])


AUTOTUNE = """@triton.autotune(configs=[triton.Config({"BLOCK": 256}, num_warps=w) for w in %s], key=["n"])
@triton.heuristics({"EVEN": lambda given: given["n"] %% given["BLOCK"] == 0})
@triton.jit
def copy_kernel(x, y, n, BLOCK: tl.constexpr, EVEN: tl.constexpr):"""


@pytest.mark.parametrize(("warps", "message"), [("(2,)", ""), ("(2, 4)", "use `# tune:` marks")])
def test_one_configuration_is_fine_but_several_are_not(recorder: Recorder, warps: str, message: str) -> None:
    source = COPY.replace("@triton.jit\ndef copy_kernel(x, y, n, BLOCK: tl.constexpr):", AUTOTUNE % warps)
    source = source.replace("y, n, BLOCK=256", "y, n")
    if message:
        assert message in str(refusal(recorder, source=source))
    else:
        recording = record(recorder, source=source)
        assert recording.kernels[0].num_warps == 2


@pytest.mark.parametrize(
    ("body", "outcome", "message"),
    [
        ("while True: pass", Outcome.TIMEOUT, "no reply"),
        ("import os; os._exit(3)", Outcome.CRASHED, "exit status 3"),
        ("import os; os.kill(os.getpid(), 11)", Outcome.CRASHED, "SIGSEGV"),
        ("b'x' * (40 << 30)", Outcome.OUT_OF_MEMORY, "MemoryError"),
    ],
)
def test_endings_become_outcomes(recorder: Recorder, body: str, outcome: Outcome, message: str) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        recorder.record(COPY.replace("%s", body), "copy", [COPY_CALL], timeout_seconds=3)
    assert caught.value.outcome is outcome
    assert launches(record(recorder))  # the next one is undisturbed


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def copy(x: return", r"SyntaxError.*\(line 1\)"),
        ("copy = 3", "defines no function 'copy'"),
        ("import nothing_of_this_name", r"ModuleNotFoundError.*\(line 1\)"),
        (COPY.replace("%s", "pass") + "\ncopy(torch.empty(4, device='cuda'))", "outside of a call"),
    ],
)
def test_a_module_that_does_not_load_is_told(recorder: Recorder, source: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        recorder.record(source, "copy", [COPY_CALL])
    assert caught.value.outcome is Outcome.CRASHED


def test_a_guest_cannot_write_more_than_it_says(recorder: Recorder) -> None:
    """What is refused is the guest's own text; it is cut and kept to one printable line."""
    error = refusal(recorder, "raise ValueError('a\\x1b[31m\\n' * 5000)")
    assert len(str(error)) <= 500
    assert str(error).isprintable()


def test_facts_of_the_device_are_handed_in() -> None:
    body = "assert torch.cuda.get_device_properties(0).multi_processor_count == 7"
    with Recorder(90, facts={"multi_processor_count": 7}) as recorder:
        assert launches(record(recorder, body))
        assert recorder.layers["capabilities"] == ENFORCED
        (launch,) = launches(empty_recording(recorder))
    assert launch.arguments == ()
    assert launch.grid == (1, 1, 1)
    assert FACTS["multi_processor_count"] == 132


def test_the_reply_is_a_text_and_arrays(recorder: Recorder) -> None:
    reply: Any = recorder.reply(COPY.replace("%s", "pass"), "copy", [COPY_CALL])
    told = json.loads(bytes(reply[0].data))
    assert [kernel["cubin"] for kernel in told["kernels"]] == [0]
    assert bytes(reply[1].data[:4]) == b"\x7fELF"
    assert len(reply) == 2


@pytest.mark.parametrize("name", ["ptx_options", "ir_override", "extern_libs"])
def test_options_of_the_compiler_that_the_screen_cannot_see(recorder: Recorder, name: str) -> None:
    half = len(name) // 2
    launch = f"copy_kernel[(1,)](x, y, n, BLOCK=256, **{{{name[:half]!r} + {name[half:]!r}: '-O0'}})"
    assert f"launches with {name!r}" in refusal(recorder, launch).reason


def test_options_of_the_compiler_by_heuristics(recorder: Recorder) -> None:
    computed = "@triton.heuristics({'ptx_' + 'options': lambda arguments: '-O0'})\n@triton.jit"
    assert "launches with 'ptx_options'" in refusal(recorder, source=COPY.replace("@triton.jit", computed)).reason
