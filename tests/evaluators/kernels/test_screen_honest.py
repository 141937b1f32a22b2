"""Modules in the styles that people publish; none of them may be refused."""

from __future__ import annotations

import ast

import pytest

from evaluators.kernels.screen import screen_kernel
from evaluators.screen import screen

SOFTMAX = '''
"""Softmax over the last axis; programs stay and take every n-th row."""
from __future__ import annotations

import torch
import triton
import triton.language as tl

DEVICE = triton.runtime.driver.active.get_active_torch_device()


def is_hip():
    return triton.runtime.driver.active.get_current_target().backend == "hip"


@triton.jit
def rows_kernel(dst, src, src_stride, dst_stride, rows, cols, WIDTH: tl.constexpr, STAGES: tl.constexpr):
    first = tl.program_id(0)
    step = tl.num_programs(0)
    for r in tl.range(first, rows, step, num_stages=STAGES):
        lane = tl.arange(0, WIDTH)
        inside = lane < cols
        v = tl.load(src + r * src_stride + lane, mask=inside, other=-float("inf"))
        e = tl.exp(v - tl.max(v, axis=0))
        tl.store(dst + r * dst_stride + lane, e / tl.sum(e, axis=0), mask=inside)


def entry(x):
    rows, cols = x.shape
    assert x.is_cuda and x.dim() == 2
    width = triton.next_power_of_2(cols)
    warps = 4
    if width >= 4096:
        warps = 16
    elif width >= 2048:
        warps = 8
    properties = torch.cuda.get_device_properties(x.device)
    programs = min(properties.multi_processor_count * 4, rows)
    y = torch.empty_like(x)
    rows_kernel[(programs, 1, 1)](y, x, x.stride(0), y.stride(0), rows, cols, WIDTH=width, STAGES=2, num_warps=warps)
    return y
'''

MATMUL = '''
import torch
import triton
import triton.language as tl

TILE_M = 128  # tune: choice 64 128
TILE_N = 128  # tune: choice 64 128 256
WARPS = 8  # tune: choice 4 8


@triton.jit
def squared_relu(v):
    v = tl.where(v >= 0, v, 0)
    return v * v


@triton.jit
def product_kernel(
    lhs, rhs, dst, M, N, K,
    lhs_m, lhs_k, rhs_k, rhs_n, dst_m, dst_n,
    TILE_M: tl.constexpr, TILE_N: tl.constexpr, TILE_K: tl.constexpr, BAND: tl.constexpr, FINISH: tl.constexpr,
):
    """dst = finish(lhs @ rhs), tiles in bands so that rhs stays in the cache."""
    tile = tl.program_id(axis=0)
    down, across = tl.cdiv(M, TILE_M), tl.cdiv(N, TILE_N)
    band = tile // (BAND * across)
    height = min(down - band * BAND, BAND)
    inside = tile % (BAND * across)
    row, column = band * BAND + inside % height, inside // height
    tl.assume(row >= 0)
    m = (row * TILE_M + tl.arange(0, TILE_M)) % M
    n = (column * TILE_N + tl.arange(0, TILE_N)) % N
    k = tl.arange(0, TILE_K)
    p = lhs + (m[:, None] * lhs_m + k[None, :] * lhs_k)
    q = rhs + (k[:, None] * rhs_k + n[None, :] * rhs_n)
    total = tl.zeros((TILE_M, TILE_N), dtype=tl.float32)
    for step in range(0, tl.cdiv(K, TILE_K)):
        left = tl.load(p, mask=k[None, :] < K - step * TILE_K, other=0.0)
        right = tl.load(q, mask=k[:, None] < K - step * TILE_K, other=0.0)
        total = tl.dot(left, right, total)
        p += TILE_K * lhs_k
        q += TILE_K * rhs_k
    if FINISH == "squared":
        total = squared_relu(total)
    out_m = row * TILE_M + tl.arange(0, TILE_M)
    out_n = column * TILE_N + tl.arange(0, TILE_N)
    place = dst + dst_m * out_m[:, None] + dst_n * out_n[None, :]
    tl.store(place, total.to(dst.dtype.element_ty), mask=(out_m[:, None] < M) & (out_n[None, :] < N))


def entry(a: torch.Tensor, b: torch.Tensor, finish: str = "") -> torch.Tensor:
    if a.shape[1] != b.shape[0]:
        raise ValueError(f"shapes {a.shape} and {b.shape} do not go together")
    assert a.is_contiguous(), "a must be contiguous"
    M, K = a.shape
    K, N = b.shape
    c = torch.empty((M, N), device=a.device, dtype=torch.float16)
    grid = lambda META: (triton.cdiv(M, META["TILE_M"]) * triton.cdiv(N, META["TILE_N"]), )
    product_kernel[grid](
        a, b, c, M, N, K,
        a.stride(0), a.stride(1), b.stride(0), b.stride(1), *c.stride(),
        TILE_M=TILE_M, TILE_N=TILE_N, TILE_K=64, BAND=8, FINISH=finish, num_warps=WARPS, num_stages=3,
    )
    return c
'''

LAYER_NORM = """
import math
from typing import Optional, Tuple

import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

LOG2E: tl.constexpr = tl.constexpr(1.4426950408889634)
MOST_BYTES = 65536 // 2
EPSILON = 1e-5


@triton.heuristics({"SHIFTED": lambda args: args["shift"] is not None})
@triton.jit
def normalise_kernel(src, dst, scale, shift, means, inverses, stride, N, eps,
                     WIDTH: tl.constexpr, SHIFTED: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    dst += row * stride
    src += row * stride
    partial = tl.zeros([WIDTH], dtype=tl.float32)
    for start in range(0, N, WIDTH):
        at = start + tl.arange(0, WIDTH)
        partial += tl.load(src + at, mask=at < N, other=0.).to(tl.float32)
    mean = tl.sum(partial, axis=0) / N
    squares = tl.zeros([WIDTH], dtype=tl.float32)
    for part in tl.static_range(0, 4):
        at = part * WIDTH + tl.arange(0, WIDTH)
        v = tl.load(src + at, mask=at < N, other=0.).to(tl.float32)
        v = tl.where(at < N, v - mean, 0.)
        squares += v * v
    inverse = 1 / tl.sqrt(tl.sum(squares, axis=0) / N + eps)
    tl.store(means + row, mean)
    tl.store(inverses + row, libdevice.rsqrt(inverse))
    for start in range(0, N, WIDTH):
        at = start + tl.arange(0, WIDTH)
        keep = at < N
        v = (tl.load(src + at, mask=keep, other=0.).to(tl.float32) - mean) * inverse * tl.load(scale + at, mask=keep)
        if SHIFTED:
            v = v + tl.load(shift + at, mask=keep)
        v = v * tl.math.exp2(v * LOG2E) * tl.sigmoid(v) * libdevice.tanh(v)
        tl.store(dst + at, v, mask=keep)


def _width(n: int, size: int) -> int:
    return min(MOST_BYTES // size, triton.next_power_of_2(n))


def entry(x, weight, bias: Optional[torch.Tensor] = None, eps: float = EPSILON) -> Tuple[torch.Tensor, ...]:
    y = torch.empty_like(x)
    flat = x.reshape(-1, x.shape[-1])
    M, N = flat.shape
    means = torch.empty((M, ), dtype=torch.float32, device=x.device)
    inverses = torch.empty((M, ), dtype=torch.float32, device=x.device)
    width = _width(N, x.element_size())
    if N > 4 * width:
        raise RuntimeError("rows are too long")
    warps = min(max(width // 256, 1), 8)
    scale = 1.0 / math.sqrt(N)
    with torch.cuda.device(x.device.index):
        normalise_kernel[(M, )](flat, y, weight, bias, means, inverses, flat.stride(0), N, eps,
                                WIDTH=width, num_warps=warps, num_ctas=1)
    return y, means, inverses
"""

PERSISTENT = """
import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor


@triton.jit
def _corner(tile, across, TILE_M: tl.constexpr, TILE_N: tl.constexpr):
    return (tile // across) * TILE_M, (tile % across) * TILE_N


@triton.jit
def resident_kernel(lhs, rhs_ptr, dst_ptr, M, N, K, TILE_M: tl.constexpr, TILE_N: tl.constexpr, TILE_K: tl.constexpr,
                    PROGRAMS: tl.constexpr, SPECIALISE: tl.constexpr):
    across = tl.cdiv(N, TILE_N)
    tiles = tl.cdiv(M, TILE_M) * across
    rhs = tl.make_tensor_descriptor(rhs_ptr, shape=[N, K], strides=[K, 1], block_shape=[TILE_N, TILE_K])
    dst = tl.make_tensor_descriptor(dst_ptr, shape=[M, N], strides=[N, 1], block_shape=[TILE_M, TILE_N])
    for tile in tl.range(tl.program_id(axis=0), tiles, PROGRAMS, flatten=True, warp_specialize=SPECIALISE):
        top, left = _corner(tile, across, TILE_M, TILE_N)
        total = tl.zeros((TILE_M, TILE_N), dtype=tl.float32)
        for step in range(tl.cdiv(K, TILE_K)):
            total = tl.dot(lhs.load([top, step * TILE_K]), rhs.load([left, step * TILE_K]).T, total)
        dst.store([top, left], total.to(tl.bfloat16))


def entry(a, b):
    M, K = a.shape
    N, K = b.shape
    c = torch.empty((M, N), device=a.device, dtype=a.dtype)
    programs = torch.cuda.get_device_properties("cuda").multi_processor_count

    def scratch(size: int, alignment: int, stream: int | None):
        return torch.empty(size, device="cuda", dtype=torch.int8)

    triton.set_allocator(scratch)
    described = TensorDescriptor.from_tensor(a, [128, 64])
    described = TensorDescriptor(a, a.shape, a.stride(), [128, 64])

    def grid(META):
        tile_m = META["TILE_M"]
        return (min(programs, triton.cdiv(M, tile_m) * triton.cdiv(N, META["TILE_N"])),)

    resident_kernel[grid](described, b, c, M, N, K, TILE_M=128, TILE_N=128, TILE_K=64, PROGRAMS=programs,
                          SPECIALISE=True, num_warps=4, maxnreg=168)
    return c
"""

GROUPED = """
import torch
import triton
import triton.language as tl


@triton.jit
def many_kernel(addresses, sizes, strides, count, PROGRAMS: tl.constexpr, TILE: tl.constexpr):
    tile = tl.program_id(0)
    done = 0
    for g in range(count):
        tiles = tl.cdiv(tl.load(sizes + g * 2), TILE) * tl.cdiv(tl.load(sizes + g * 2 + 1), TILE)
        while (tile >= done and tile < done + tiles):
            stride = tl.load(strides + g)
            start = tl.load(addresses + g).to(tl.pointer_type(tl.float16))
            at = tl.arange(0, TILE)
            place = start + at[:, None] * stride + at[None, :]
            tl.multiple_of(place, [16, 16])
            tl.store(place, tl.load(place))
            tile += PROGRAMS
        done = done + tiles


def entry(addresses, sizes, strides, count):
    grid = lambda META: (META["PROGRAMS"], )
    many_kernel[grid](addresses, sizes, strides, count, PROGRAMS=84, TILE=64)
    return torch.zeros(4, dtype=torch.int32, device=sizes.device)
"""

FLASH = """
import torch
import triton
import triton.language as tl


@triton.jit
def _sweep(acc, total, high, q, keys, values, start, scale, ROWS: tl.constexpr, COLS: tl.constexpr, PART: tl.constexpr,
           rows: tl.constexpr, cols: tl.constexpr, LENGTH: tl.constexpr, EIGHT: tl.constexpr):
    if PART == 1:
        low, end = 0, start * ROWS
    elif PART == 2:
        low, end = start * ROWS, (start + 1) * ROWS
        low = tl.multiple_of(low, ROWS)
    else:
        low, end = 0, LENGTH
    keys = tl.advance(keys, (0, low))
    values = tl.advance(values, (low, 0))
    for at in range(low, end, COLS):
        at = tl.multiple_of(at, COLS)
        s = tl.dot(q, tl.load(keys))
        if PART == 2:
            s = s * scale + tl.where(rows[:, None] >= (at + cols[None, :]), 0, -1.0e6)
            now = tl.maximum(high, tl.max(s, 1))
            s -= now[:, None]
        else:
            now = tl.maximum(high, tl.max(s, 1) * scale)
            s = s * scale - now[:, None]
        p = tl.math.exp2(s)
        fade = tl.math.exp2(high - now)
        total = total * fade + tl.sum(p, 1)
        acc = acc * fade[:, None]
        if EIGHT:
            p = p.to(tl.float8e5)
        else:
            p = p.to(tl.float16)
        acc = tl.dot(p, tl.load(values), acc)
        high = now
        values = tl.advance(values, (COLS, 0))
        keys = tl.advance(keys, (0, COLS))
    return acc, total, high


@triton.jit
def attend_kernel(Q, V, scale, logs, out, by_batch, by_head, by_row, H, LENGTH, WIDTH: tl.constexpr,
                  ROWS: tl.constexpr, COLS: tl.constexpr, PART: tl.constexpr):
    tl.static_assert(COLS <= WIDTH)
    start = tl.program_id(0)
    pair = tl.program_id(1)
    offset = (pair // H).to(tl.int64) * by_batch + (pair % H).to(tl.int64) * by_head
    order: tl.constexpr = (0, 1) if V.dtype.element_ty == tl.float8e5 else (1, 0)
    block = tl.make_block_ptr(base=Q + offset, shape=(LENGTH, WIDTH), strides=(by_row, 1),
                              offsets=(start * ROWS, 0), block_shape=(ROWS, WIDTH), order=order)
    rows = start * ROWS + tl.arange(0, ROWS)
    high = tl.zeros([ROWS], dtype=tl.float32) - float("inf")
    total = tl.full([ROWS], 1.0, tl.float32)
    acc = tl.zeros([ROWS, WIDTH], dtype=tl.float32)
    q = tl.load(block, boundary_check=(0, 1), padding_option="zero", cache_modifier=".cg")
    acc, total, high = _sweep(acc, total, high, q, block, block, start, scale, ROWS, COLS, 4 - PART, rows, rows, LENGTH,
                              V.dtype.element_ty == tl.float8e5)
    tl.store(logs + pair * LENGTH + rows, high + tl.math.log2(total), eviction_policy="evict_last")
    acc = acc / total[:, None]
    tl.store(block, acc.to(out.type.element_ty))


def entry(q, k, v, causal: bool = False, scale: float = 0.5):
    width, other = q.shape[-1], k.shape[-1]
    assert width == other and other in {16, 32, 64, 128, 256}
    out = torch.empty_like(q)
    more = {}
    if q.shape[2] > 1024:
        more["num_warps"] = 8
    more["num_stages"] = 3
    logs = torch.empty((q.shape[0], q.shape[1], q.shape[2]), device=q.device, dtype=torch.float32)
    grid = (triton.cdiv(q.shape[2], 128), q.shape[0] * q.shape[1], 1)
    attend_kernel[grid](q, v, scale, logs, out, q.stride(0), q.stride(1), q.stride(2), q.shape[1], LENGTH=q.shape[2],
                        WIDTH=width, ROWS=128, COLS=64, PART=3 if causal else 1, **more)
    return out
"""

TOPK = '''
import torch
import triton
import triton.language as tl
from triton import cdiv, jit, next_power_of_2

_CONFIG = {64: (4, 1), 128: (8, 2), 256: (8, 4)}
_ROWS = (1, 2, 4, 8)
NEG_INF = tl.constexpr(float("-inf"))


@jit
def _better(a, ia, b, ib):
    take = (a > b) | ((a == b) & (ia < ib))
    return tl.where(take, a, b), tl.where(take, ia, ib)


@jit
def _add(a, b):
    return a + b


@jit
def gate(src, weights_ptr, ids_ptr, T, stride, E: tl.constexpr, K: tl.constexpr, ROWS: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    experts = tl.arange(0, E)
    valid = rows < T
    x = tl.load(src + rows[:, None] * stride + experts[None, :], mask=valid[:, None], other=NEG_INF).to(tl.float32)
    high, _ = tl.max(x, axis=1, return_indices=True)
    total = tl.reduce(tl.exp(x - high[:, None]), 1, _add)
    ranks = tl.associative_scan(x, 1, _add)
    for k in tl.static_range(K):
        value, index = tl.reduce((x, tl.broadcast_to(experts[None, :], (ROWS, E))), 1, _better)
        tl.store(weights_ptr + rows * K + k, tl.exp(value - high) / total, mask=valid)
        tl.store(ids_ptr + rows * K + k, index.to(tl.int32), mask=valid)
        x = tl.where(experts[None, :] == index[:, None], NEG_INF, x)
    packed = (x.to(tl.int32, bitcast=True).to(tl.int64) << 32) | experts[None, :].to(tl.int64)
    best = tl.topk(packed, K, dim=1)
    order = tl.sort(packed, dim=1, descending=True)
    tl.debug_barrier()
    tl.atomic_add(ids_ptr, 0, sem="relaxed")


def _choose(tokens, experts):
    warps, rows = _CONFIG.get(experts, (4, 1))
    for candidate in _ROWS:
        if candidate * 132 <= tokens:
            rows = candidate
    settings = dict(num_warps=warps, num_stages=1)
    settings["num_warps"] = max(settings["num_warps"], 2)
    return rows, settings


def entry(logits: "torch.Tensor", k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Top-k of a softmax."""
    tokens, experts = logits.shape
    weights = logits.new_empty((tokens, k), dtype=torch.float32)
    ids = torch.empty(tokens, k, dtype=torch.int32, device=logits.device)
    if tokens == 0:
        return weights, ids
    rows, settings = _choose(tokens, experts)
    grid = (cdiv(tokens, rows),)
    gate[grid](logits, weights, ids, tokens, logits.stride(0), E=next_power_of_2(experts), K=k, ROWS=rows, **settings)
    return (weights, ids)
'''

COMBINE = """
import torch
import triton
import triton.language as tl

DTYPES = {torch.float16: tl.float16, torch.bfloat16: tl.bfloat16, torch.float32: tl.float32}


@triton.jit(do_not_specialize=["T"])
def combine_kernel(x_ptr, rows_ptr, weights_ptr, out_ptr, T, H, K: tl.constexpr, BLOCK_H: tl.constexpr,
                   OUT: tl.constexpr, EVEN: tl.constexpr = True):
    token = tl.program_id(0)
    at = tl.program_id(1) * BLOCK_H + tl.arange(0, BLOCK_H)
    keep = at < H
    total = tl.zeros((BLOCK_H,), tl.float32)
    for k in tl.range(0, K, loop_unroll_factor=K):
        row = tl.load(rows_ptr + token * K + k)
        weight = tl.load(weights_ptr + token * K + k)
        if row >= 0:
            total += weight * tl.load(x_ptr + row.to(tl.int64) * H + at, mask=keep, other=0.0).to(tl.float32)
    assert K > 0, "K must be positive"
    x, y = total.reshape(BLOCK_H // 2, 2).split()
    joined = tl.join(x, y).reshape([BLOCK_H])
    tl.store(out_ptr + token * H + at, joined.to(OUT), mask=keep)


def _pick(h, *, small=1024, large=2048):
    best = None
    for block in [256, 512, small, large]:
        if best is None or h % block == 0:
            best = block
    return best


def entry(expert_out, row_of, weights):
    T, K = row_of.size()
    H = expert_out.size(-1)
    out = torch.empty((T, H), dtype=expert_out.dtype, device=expert_out.device)
    if out.numel() == 0:
        return out
    partial = torch.zeros_like(out, dtype=torch.float32) if T > 100_000 else None
    block = _pick(H)
    sizes = [triton.cdiv(H, b) for b in (256, 512) if b <= H]
    total = sum(sizes)
    kernel = combine_kernel
    kernel[(T, triton.cdiv(H, block))](expert_out, row_of, weights, out, T, H, K=K, BLOCK_H=block,
                                       OUT=DTYPES[expert_out.dtype], num_warps=4 if block <= 1024 else 8)
    low = torch.finfo(out.dtype).min
    width = torch.iinfo(torch.int32).bits // out.dtype.itemsize
    return out.view(T, H)
"""

SPLIT = """
import torch, triton
import triton.language as tl

NUM_SMS = torch.cuda.get_device_properties(0).multi_processor_count
SPLITS = {(1, 128): 4, (8, 128): 2}


@triton.jit
def partial_kernel(x_ptr, mid_ptr, n, s, BLOCK: tl.constexpr):
    pid = tl.program_id(0)
    acc = tl.zeros([BLOCK], dtype=tl.float32)
    i = pid * BLOCK
    while i < n:
        o = i + tl.arange(0, BLOCK)
        acc += tl.load(x_ptr + o, mask=o < n, other=0)
        i += s
    tl.store(mid_ptr + pid, tl.sum(acc))


@triton.jit
def final_kernel(mid_ptr, out_ptr, count, BLOCK: tl.constexpr):
    o = tl.arange(0, BLOCK)
    a, b = tl.load(mid_ptr + o, mask=o < count, other=0), 0.0
    tl.store(out_ptr, tl.sum(a) + b)


class_free = None


def entry(x):
    n = x.numel()
    parts = SPLITS[(1, 128)] if (1, 128) in SPLITS else min(NUM_SMS, 64)
    mid = torch.empty((parts,), dtype=torch.float32, device=x.device)
    out = torch.empty((), dtype=torch.float32, device=x.device)
    configs = [{"BLOCK": 256, "num_warps": 4}, {"BLOCK": 512, "num_warps": 8}]
    configs.append({"BLOCK": 1024, "num_warps": 8})
    chosen = configs[0]
    for config in configs:
        if n >= config["BLOCK"] * parts:
            chosen = config
    partial_kernel[parts, ](x, mid, n, parts * chosen["BLOCK"], **chosen)
    final_kernel[(1,)](mid, out, parts, BLOCK=triton.next_power_of_2(parts))
    return out
"""

HONEST = {
    "softmax": SOFTMAX,
    "matmul": MATMUL,
    "layer norm": LAYER_NORM,
    "persistent": PERSISTENT,
    "grouped": GROUPED,
    "attention": FLASH,
    "top-k": TOPK,
    "combine": COMBINE,
    "split": SPLIT,
}


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST.keys())
def test_honest_modules_pass(source: str) -> None:
    assert screen_kernel(ast.parse(source), entry="entry") is None


@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST.keys())
def test_honest_modules_pass_the_general_screen_too(source: str) -> None:
    parameters = [
        argument.arg
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name == "entry"
        for argument in node.args.args
    ]
    assert (
        screen(source, entry="entry", parameters=parameters, allowed_imports={"torch", "triton", "math", "typing"})
        is None
    )
