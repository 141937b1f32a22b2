from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from evaluators.kernels.forms import Call, Form

if TYPE_CHECKING:
    from evaluators.kernels.recording import Recorder

IMPORTS = """
import torch
import triton
import triton.language as tl
"""

SCALE = """
@triton.jit
def scale_kernel(x_ptr, y_ptr, n, factor, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, tl.load(x_ptr + at, mask=at < n) * factor, mask=at < n)


def scale(x, factor):
    y = torch.empty_like(x)
    n = x.numel()
    scale_kernel[lambda META: (triton.cdiv(n, META["BLOCK"]),)](x, y, n, factor, BLOCK=256)
    return y
"""

SOFTMAX = """
DEVICE = triton.runtime.driver.active.get_active_torch_device()
properties = triton.runtime.driver.active.utils.get_device_properties(DEVICE.index)
NUM_SM = properties["multiprocessor_count"]
SIZE_SMEM = properties["max_shared_mem"]


@triton.jit
def softmax_kernel(out_ptr, in_ptr, in_stride, out_stride, n_rows, n_cols, BLOCK: tl.constexpr, STAGES: tl.constexpr):
    for row in tl.range(tl.program_id(0), n_rows, tl.num_programs(0), num_stages=STAGES):
        at = tl.arange(0, BLOCK)
        values = tl.load(in_ptr + row * in_stride + at, mask=at < n_cols, other=-float("inf")).to(tl.float32)
        high = tl.exp(values - tl.max(values, axis=0))
        tl.store(out_ptr + row * out_stride + at, high / tl.sum(high, axis=0), mask=at < n_cols)


def softmax(x):
    n_rows, n_cols = x.shape
    block = triton.next_power_of_2(n_cols)
    stages = 4 if SIZE_SMEM > 200000 else 2
    y = torch.empty_like(x)
    kernel = softmax_kernel.warmup(
        y, x, x.stride(0), y.stride(0), n_rows, n_cols, BLOCK=block, STAGES=stages, num_warps=8, grid=(1,)
    )
    kernel._init_handles()
    occupancy = properties["max_num_regs"] // (kernel.n_regs * properties["warpSize"] * 8)
    programs = min(NUM_SM * occupancy, n_rows)
    softmax_kernel[(programs, 1, 1)](y, x, x.stride(0), y.stride(0), n_rows, n_cols, block, stages, num_warps=8)
    return y
"""

MATMUL = """
@triton.jit
def matmul_kernel(
    a_ptr, b_ptr, c_ptr, bias_ptr, M, N, K,
    stride_am, stride_ak, stride_bk, stride_bn, stride_cm, stride_cn, alpha,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, HAS_BIAS: tl.constexpr,
):
    pid_m, pid_n = tl.program_id(0), tl.program_id(1)
    rows = (pid_m * BLOCK_M + tl.arange(0, BLOCK_M)) % M
    columns = (pid_n * BLOCK_N + tl.arange(0, BLOCK_N)) % N
    inner = tl.arange(0, BLOCK_K)
    a = a_ptr + rows[:, None] * stride_am + inner[None, :] * stride_ak
    b = b_ptr + inner[:, None] * stride_bk + columns[None, :] * stride_bn
    total = tl.zeros((BLOCK_M, BLOCK_N), dtype=tl.float32)
    for step in range(0, tl.cdiv(K, BLOCK_K)):
        left = inner < K - step * BLOCK_K
        total = tl.dot(tl.load(a, mask=left[None, :], other=0.0), tl.load(b, mask=left[:, None], other=0.0), total)
        a += BLOCK_K * stride_ak
        b += BLOCK_K * stride_bk
    total = total * alpha
    if HAS_BIAS:
        total += tl.load(bias_ptr + columns)[None, :]
    rows = pid_m * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = pid_n * BLOCK_N + tl.arange(0, BLOCK_N)
    c = c_ptr + rows[:, None] * stride_cm + columns[None, :] * stride_cn
    tl.store(c, total.to(c_ptr.dtype.element_ty), mask=(rows[:, None] < M) & (columns[None, :] < N))


def matmul(a, b, bias=None, alpha=1.0):
    assert a.shape[1] == b.shape[0] and a.is_cuda and b.device == a.device
    (M, K), N = a.shape, b.shape[1]
    c = torch.empty((M, N), device=a.device, dtype=a.dtype)
    grid = lambda META: (triton.cdiv(M, META["BLOCK_M"]), triton.cdiv(N, META["BLOCK_N"]))
    matmul_kernel[grid](
        a, b, c, bias, M, N, K, a.stride(0), a.stride(1), b.stride(0), b.stride(1), c.stride(0), c.stride(1), alpha,
        BLOCK_M=64, BLOCK_N=64, BLOCK_K=32, HAS_BIAS=bias is not None, num_warps=4, num_stages=3,
    )
    return c
"""

CHAIN = """
@triton.jit
def partial_sums(x_ptr, parts_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(parts_ptr + tl.program_id(0), tl.sum(tl.load(x_ptr + at, mask=at < n, other=0.0), 0))
    tl.atomic_add(parts_ptr + tl.num_programs(0), 1.0)


@triton.jit
def add_up(parts_ptr, y_ptr, count, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    tl.store(y_ptr, tl.sum(tl.load(parts_ptr + at, mask=at < count, other=0.0), 0))


def total(x):
    blocks = triton.cdiv(x.numel(), 512)
    with torch.cuda.device(x.device):
        parts = torch.zeros(blocks + 1, dtype=torch.float32, device=x.device)
        y = x.new_empty((1,))
        partial_sums[(blocks,)](x, parts, x.numel(), 512)
        add_up[(1,)](parts, y, blocks, triton.next_power_of_2(blocks))
    return y
"""

DESCRIPTORS = """
from triton.tools.tensor_descriptor import TensorDescriptor


@triton.jit
def copy_kernel(source, target, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    row, column = tl.program_id(0) * BLOCK_M, tl.program_id(1) * BLOCK_N
    target.store([row, column], source.load([row, column]))


def copy(x):
    y = torch.empty_like(x)
    source = TensorDescriptor(x, x.shape, x.stride(), [32, 64])
    target = TensorDescriptor.from_tensor(y, [32, 64])
    copy_kernel[(triton.cdiv(x.shape[0], 32), triton.cdiv(x.shape[1], 64))](source, target, 32, 64)
    return y
"""

DEVICE_DESCRIPTORS = """
from typing import Optional


@triton.jit
def copy_kernel(x_ptr, y_ptr, M, N, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    source = tl.make_tensor_descriptor(x_ptr, shape=[M, N], strides=[N, 1], block_shape=[BLOCK_M, BLOCK_N])
    target = tl.make_tensor_descriptor(y_ptr, shape=[M, N], strides=[N, 1], block_shape=[BLOCK_M, BLOCK_N])
    row, column = tl.program_id(0) * BLOCK_M, tl.program_id(1) * BLOCK_N
    target.store([row, column], source.load([row, column]))


def copy(x):
    def allocate(size: int, alignment: int, stream: Optional[int]):
        return torch.empty(size, device="cuda", dtype=torch.int8)

    triton.set_allocator(allocate)
    y = torch.empty_like(x)
    M, N = x.shape
    copy_kernel[(triton.cdiv(M, 32), triton.cdiv(N, 64))](x, y, M, N, 32, 64)
    return y
"""


def call(outputs: tuple[Form, ...] | Form, *, name: str = "the call", **arguments: Form | float) -> Call:
    """A call, with forms and numbers as arguments."""
    return Call(
        name=name,
        tensors={key: value for key, value in arguments.items() if isinstance(value, Form)},
        scalars={key: value for key, value in arguments.items() if not isinstance(value, Form)},
        outputs=(outputs,) if isinstance(outputs, Form) else outputs,
    )


def form(dtype: str, *shape: int) -> Form:
    return Form(dtype=dtype, shape=shape)


ROWS, SQUARE = form("bfloat16", 300, 200), form("float16", 256, 128)
KERNELS: dict[str, tuple[str, str, tuple[Call, ...]]] = {
    "scale": (
        SCALE,
        "scale",
        tuple(call(form("float32", n), name=f"n={n}", x=form("float32", n), factor=0.5) for n in (1000, 4096, 0)),
    ),
    "softmax": (SOFTMAX, "softmax", (call(ROWS, x=ROWS),)),
    "matmul": (
        MATMUL,
        "matmul",
        (
            call(form("float16", 256, 96), name="plain", a=SQUARE, b=form("float16", 128, 96)),
            call(
                form("float16", 256, 96),
                name="bias",
                a=SQUARE,
                b=form("float16", 128, 96),
                bias=form("float32", 96),
                alpha=0.25,
            ),
        ),
    ),
    "chain": (CHAIN, "total", (call(form("float32", 1), x=form("float32", 5000)),)),
    "descriptors": (DESCRIPTORS, "copy", (call(SQUARE, x=SQUARE),)),
    "device descriptors": (DEVICE_DESCRIPTORS, "copy", (call(SQUARE, x=SQUARE),)),
}


@pytest.fixture(scope="session")
def kernels() -> Mapping[str, tuple[str, str, tuple[Call, ...]]]:
    """Small Triton modules in ordinary styles by name: source, entry, calls."""
    return {name: (IMPORTS + source, entry, calls) for name, (source, entry, calls) in KERNELS.items()}


@pytest.fixture(scope="session")
def make_call() -> Callable[..., Call]:
    return call


@pytest.fixture(scope="session")
def make_form() -> Callable[..., Form]:
    return form


@pytest.fixture(scope="session")
def recorder() -> Iterator[Recorder]:
    """Records for sm_90; one for the whole session."""
    for name in ("torch", "triton"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    from evaluators.kernels.recording import Recorder

    with Recorder(90) as instance:
        yield instance
