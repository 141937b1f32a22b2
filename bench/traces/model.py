"""A small mixture-of-experts language model in the manner of DeepSeek (arXiv:2401.06066, arXiv:2412.19437).

Pre-norm transformer with rotary attention. The first layer's feed-forward part is dense; every other has one shared and
many routed experts (SwiGLU). The router's affinity is a sigmoid; the top-k are chosen by affinity plus a bias, and the
gate weights are the chosen affinities without the bias, made to sum to 1. With loss-free balancing (arXiv:2408.15664)
the bias of an expert goes up by a fixed step after a batch in which it had less than the mean load, and down after one
in which it had more. There is no auxiliary loss, and no token is ever dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as fn
from torch import Tensor, nn

_ALIGN = 16  # rows; every expert's share of the buffer begins at a multiple, as grouped kernels like it
BIAS_STEP = 1e-3
"""Step of the bias, as in the paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of the model."""

    vocabulary: int
    width: int = 512
    heads: int = 8
    moe_layers: int = 8
    experts: int = 64
    top_k: int = 6
    expert_width: int = 256
    shared_width: int = 512
    dense_width: int = 1536
    context: int = 1024


def grouped_by_loop(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Matrix product of each group of rows with its own weights, one group after the other.

    Args:
        rows: ``(rows, in)``.
        weights: ``(groups, in, out)``.
        ends: int32 ``(groups,)``, where each group's rows end.
    """
    stops = ends.tolist()
    starts = [0, *stops[:-1]]
    parts = [rows[start:stop] @ weights[group] for group, (start, stop) in enumerate(zip(starts, stops, strict=True))]
    return torch.cat(parts)


def grouped_by_kernel(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """The same by the library's grouped kernel, in bfloat16 on a GPU."""
    call: Any = getattr(fn, "grouped_mm", None) or torch._grouped_mm
    result: Tensor = call(rows, weights, offs=ends)
    return result


Grouped = Callable[[Tensor, Tensor, Tensor], Tensor]


def choose_grouped(device: torch.device) -> Grouped:
    """The quickest grouped product that gives right values and gradients on this device."""
    if device.type != "cuda":
        return grouped_by_loop
    try:
        worst = max(_difference(device, groups, rows) for groups, rows in ((4, 64), (64, 4096)))
    except (RuntimeError, NotImplementedError, AttributeError, TypeError) as error:
        print(f"grouped kernel: does not work here, a loop is used: {error}", flush=True)
        return grouped_by_loop
    print(f"grouped kernel: differs from the loop by {worst:.1e} of its size", flush=True)
    return grouped_by_kernel if worst < 0.02 else grouped_by_loop


def _difference(device: torch.device, groups: int, rows: int) -> float:
    """Largest relative difference of kernel and loop over values and gradients, with empty and uneven groups."""
    generator = torch.Generator(device="cpu").manual_seed(groups)
    sizes = torch.rand(groups, generator=generator).square()
    sizes[1] = 0
    sizes = (sizes / sizes.sum() * rows / _ALIGN).floor().long() * _ALIGN
    sizes[-1] += rows - sizes.sum()
    ends = sizes.cumsum(0).to(device=device, dtype=torch.int32)
    found = []
    for product in (grouped_by_loop, grouped_by_kernel):
        generator = torch.Generator(device="cpu").manual_seed(7)
        x = torch.randn(rows, 64, generator=generator).to(device, torch.bfloat16).requires_grad_()
        w = torch.randn(groups, 64, 128, generator=generator).to(device, torch.bfloat16).requires_grad_()
        y = product(x, w, ends)
        y.backward(torch.randn(rows, 128, generator=generator).to(device, torch.bfloat16))
        assert x.grad is not None
        assert w.grad is not None
        found.append((y.detach().float(), x.grad.float(), w.grad.float()))
    return max(float((a - b).norm() / a.norm()) for a, b in zip(*found, strict=True))


class _Spread(torch.autograd.Function):
    """Copies each token's row to its places in the experts' buffer; places are all different."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(places)
        buffer = rows.new_zeros(size, rows.shape[1])
        buffer[places.reshape(-1)] = rows[:, None].expand(*places.shape, -1).reshape(-1, rows.shape[1])
        return buffer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return gradients[0][places].sum(dim=1), None, None


class _Collect(torch.autograd.Function):
    """Sums each token's rows of the experts' buffer by weight."""

    @staticmethod
    def forward(ctx: Any, buffer: Tensor, places: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(buffer, places, weights)
        return (buffer[places] * weights[:, :, None]).sum(dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor]:
        buffer, places, weights = ctx.saved_tensors
        back = torch.zeros_like(buffer)
        outer = gradients[0][:, None] * weights[:, :, None]
        back[places.reshape(-1)] = outer.reshape(-1, buffer.shape[1]).to(buffer.dtype)
        return back, None, (buffer[places] * gradients[0][:, None]).sum(dim=2)


class Experts(nn.Module):
    """Router, routed experts and shared expert of one layer."""

    bias: Tensor
    load: Tensor

    def __init__(self, shape: Shape, grouped: Grouped) -> None:
        super().__init__()
        self.shape = shape
        self.grouped = grouped
        self.router = nn.Parameter(torch.randn(shape.experts, shape.width) * 0.02)
        self.up = nn.Parameter(torch.randn(shape.experts, shape.width, 2 * shape.expert_width) * 0.02)
        self.down = nn.Parameter(_thin(shape, shape.experts, shape.expert_width, shape.width))
        self.shared = Dense(shape, shape.shared_width)
        self.register_buffer("bias", torch.zeros(shape.experts))
        self.register_buffer("load", torch.zeros(shape.experts))
        self.kept: list[tuple[Tensor, Tensor, Tensor]] | None = None

    def route(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Experts ``(tokens, top_k)`` best first, gate weights, and all affinities ``(tokens, experts)``."""
        with torch.autocast(device_type=rows.device.type, enabled=False):
            affinity = torch.sigmoid(rows.float() @ self.router.float().t())
            chosen = torch.topk(affinity.detach() + self.bias, self.shape.top_k, dim=1).indices
            gates = affinity.gather(1, chosen)
            gates = gates / gates.sum(dim=1, keepdim=True)
        return chosen, gates, affinity

    def forward(self, rows: Tensor) -> Tensor:
        """Rows ``(tokens, width)`` in and out."""
        chosen, gates, affinity = self.route(rows)
        if self.kept is not None:
            self.kept.append((chosen, gates, affinity))
        # Not bincount, which waits for the GPU.
        flat = chosen.reshape(-1)
        counts = flat.new_zeros(self.shape.experts).scatter_add_(0, flat, torch.ones_like(flat))
        self.load += counts
        padded = (counts + _ALIGN - 1) // _ALIGN * _ALIGN
        size = -(-(chosen.numel() + self.shape.experts * (_ALIGN - 1)) // _ALIGN) * _ALIGN
        ends = padded.cumsum(0)
        starts = ends - padded
        # The last group takes the rest, so that no row of the buffer is left undefined.
        ends = torch.cat([ends[:-1], ends.new_full((1,), size)]).to(torch.int32)
        places = _places(chosen, counts, starts)
        low = torch.bfloat16 if rows.is_cuda else rows.dtype
        buffer = _Spread.apply(rows.to(low), places, size)
        gate, value = self.grouped(buffer, self.up.to(low), ends).chunk(2, dim=1)
        hidden = (fn.silu(gate) * value).contiguous()
        out = self.grouped(hidden, self.down.to(low), ends)
        mixed: Tensor = _Collect.apply(out, places, gates.to(low))
        return mixed + self.shared(rows)

    @torch.no_grad()
    def rebalance(self) -> None:
        """Move the biases by what the batch before has shown (arXiv:2408.15664, algorithm 1)."""
        self.bias += BIAS_STEP * torch.sign(self.load.mean() - self.load)


def _places(chosen: Tensor, counts: Tensor, starts: Tensor) -> Tensor:
    """Row of the buffer for every token's every expert, ``(tokens, top_k)``: experts' rows in the tokens' order."""
    flat = chosen.reshape(-1)
    order = torch.argsort(flat, stable=True)
    before = counts.cumsum(0) - counts
    within = torch.arange(flat.numel(), device=flat.device) - before[flat[order]]
    places = torch.empty_like(flat)
    places[order] = starts[flat[order]] + within
    return places.view_as(chosen)


class Dense(nn.Module):
    """SwiGLU feed-forward part."""

    def __init__(self, shape: Shape, hidden: int) -> None:
        super().__init__()
        self.up = nn.Parameter(torch.randn(2 * hidden, shape.width) * 0.02)
        self.down = nn.Parameter(_thin(shape, shape.width, hidden))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows ``(..., width)`` in and out."""
        gate, value = fn.linear(rows, self.up).chunk(2, dim=-1)
        return fn.linear(fn.silu(gate) * value, self.down)


class Attention(nn.Module):
    """Causal attention with rotary positions (arXiv:2104.09864)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Parameter(torch.randn(3 * shape.width, shape.width) * 0.02)
        self.out = nn.Parameter(_thin(shape, shape.width, shape.width))

    def forward(self, rows: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Rows ``(batch, tokens, width)`` in and out."""
        batch, tokens, width = rows.shape
        qkv = fn.linear(rows, self.qkv).view(batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        mixed = fn.scaled_dot_product_attention(_rotate(q, cosine, sine), _rotate(k, cosine, sine), v, is_causal=True)
        return fn.linear(mixed.transpose(1, 2).reshape(batch, tokens, width), self.out)


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn pairs of channels by their positions' angles."""
    first, second = x.chunk(2, dim=-1)
    cosine, sine = cosine[: x.shape[2]].to(x.dtype), sine[: x.shape[2]].to(x.dtype)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


class Block(nn.Module):
    """Attention and feed-forward part, each behind a norm."""

    def __init__(self, shape: Shape, feed: nn.Module) -> None:
        super().__init__()
        self.norms = nn.Parameter(torch.ones(2, shape.width))
        self.attention = Attention(shape)
        self.feed = feed

    def forward(self, rows: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """Rows ``(batch, tokens, width)`` in and out."""
        rows = rows + self.attention(_norm(rows, self.norms[0]), cosine, sine)
        fed = self.feed(_norm(rows, self.norms[1]).reshape(-1, rows.shape[2]))
        return rows + fed.view_as(rows)


class Model(nn.Module):
    """The whole language model; embedding and head share their weights."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, shape: Shape, grouped: Grouped) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocabulary, shape.width) * 0.02)
        self.experts = [Experts(shape, grouped) for _ in range(shape.moe_layers)]
        feeds = [Dense(shape, shape.dense_width), *self.experts]
        self.blocks = nn.ModuleList(Block(shape, feed) for feed in feeds)
        self.norm = nn.Parameter(torch.ones(shape.width))
        half = shape.width // shape.heads // 2
        angle = torch.arange(shape.context)[:, None] * 10_000 ** (-torch.arange(half) / half)
        self.register_buffer("cosine", angle.cos(), persistent=False)
        self.register_buffer("sine", angle.sin(), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Hidden rows ``(batch, tokens, width)`` of tokens int64 ``(batch, tokens)``."""
        rows = fn.embedding(tokens, self.embedding)
        for block in self.blocks:
            rows = block(rows, self.cosine, self.sine)
        return _norm(rows, self.norm)

    def loss(self, tokens: Tensor) -> Tensor:
        """Mean loss (nats a token) of predicting each next token of ``(batch, tokens + 1)``."""
        rows = self(tokens[:, :-1])
        logits = fn.linear(rows, self.embedding)
        return fn.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())

    def clear_loads(self) -> None:
        """Begin to count loads anew."""
        for experts in self.experts:
            experts.load.zero_()

    def parameters_active(self) -> int:
        """Parameters that one token meets, without the embedding."""
        shape = self.shape
        total = sum(p.numel() for p in self.parameters()) - self.embedding.numel()
        expert = 3 * shape.width * shape.expert_width
        return total - shape.moe_layers * (shape.experts - shape.top_k) * expert


def _norm(rows: Tensor, scale: Tensor) -> Tensor:
    return fn.rms_norm(rows, rows.shape[-1:], scale.to(rows.dtype), 1e-6)


def _thin(shape: Shape, *sizes: int) -> Tensor:
    """Weights of a projection back into the residual stream, thinner the more layers add to it."""
    return torch.randn(*sizes) * (0.02 / math.sqrt(2 * (shape.moe_layers + 1)))
