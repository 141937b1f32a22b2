"""What the operator of MODULE is tested and timed with: sizes, arguments, and plain PyTorch to compare with."""

import os

import MODULE
import MODULE_operator
import torch

OPERATOR, PROGRAM = MODULE_operator.moe_prefill, MODULE.moe_prefill
AXES = ("tokens", "k", "experts", "hidden", "inner")
SMALL = ((1, 2, 8, 128, 64), (37, 3, 5, 192, 64), (0, 2, 4, 64, 64), (70, 2, 3, 64, 128))
# They differ in the number of tokens alone, so that one compiled graph must do for all of them.
STRETCHED = ((5, 2, 4, 64, 64), (9, 2, 4, 64, 64), (33, 2, 4, 64, 64))
TIMED = ((1024, 8, 128, 2048, 768), (4096, 8, 128, 2048, 768), (4096, 8, 64, 2048, 1024), (4096, 2, 8, 4096, 1792))
# Greatest length of a row's error to the row's; two roundings to bfloat16 and one of the result give 0.005.
TOLERANCE = 0.02


if os.environ.get("TRITON_INTERPRET") == "1":
    # The interpreter multiplies matrices of bfloat16 as if their bits were integers: it is shown the same as float32.
    import numpy
    from triton import language
    from triton.runtime.interpreter import TensorHandle, interpreter_builder

    _dot = interpreter_builder.create_dot

    def _widened(handle):
        if handle.dtype.scalar != language.bfloat16:
            return handle
        return TensorHandle((handle.data.astype(numpy.uint32) << 16).view(numpy.float32), language.float32)

    interpreter_builder.create_dot = lambda a, b, *rest: _dot(_widened(a), _widened(b), *rest)


def arguments(tokens, k, experts, hidden, inner, device):
    """Arguments of one size; every token's experts differ."""
    return {
        "x": torch.randn((tokens, hidden), device=device).bfloat16(),
        "w13": (torch.randn((experts, 2 * inner, hidden), device=device) / hidden**0.5).bfloat16(),
        "w2": (torch.randn((experts, hidden, inner), device=device) / inner**0.5).bfloat16(),
        "weights": torch.rand((tokens, k), device=device),
        "ids": torch.rand((tokens, experts), device=device).topk(k, dim=1).indices.int(),
    }


def reference(x, w13, w2, weights, ids):
    """Plain PyTorch: the chosen experts' weights are gathered, or all experts do all tokens where those are fewer."""
    tokens, k = ids.shape
    experts, hidden, inner = w2.shape
    if tokens * k < experts:
        both = torch.matmul(w13[ids], x[:, None, :, None]).squeeze(-1)
        h = torch.nn.functional.silu(both[..., :inner]) * both[..., inner:]
        rows = torch.matmul(w2[ids], h.unsqueeze(-1)).squeeze(-1)
        return (rows.float() * weights.unsqueeze(-1)).sum(dim=1).to(x.dtype)
    shares = torch.zeros((tokens, experts), device=x.device).scatter(1, ids.long(), weights)
    both = torch.matmul(x, w13.transpose(1, 2))
    h = torch.nn.functional.silu(both[..., :inner]) * both[..., inner:] * shares.t().unsqueeze(-1)
    h = h.to(x.dtype).transpose(0, 1).reshape(tokens, experts * inner)
    return torch.matmul(h, w2.transpose(1, 2).reshape(experts * inner, hidden))


def exact(x, w13, w2, weights, ids):
    """The same in float64, expert by expert."""
    y = torch.zeros(x.shape, dtype=torch.float64, device=x.device)
    for expert in range(w2.shape[0]):
        token, place = (ids == expert).nonzero(as_tuple=True)
        gate, up = (x[token].double() @ w13[expert].double().t()).chunk(2, dim=1)
        rows = (torch.nn.functional.silu(gate) * up) @ w2[expert].double().t()
        y.index_add_(0, token, rows * weights[token, place].double().unsqueeze(-1))
    return y


def check(given, found):
    """Hold every row to float64, as far as bfloat16 goes."""
    right = exact(**given)
    assert found.dtype == torch.bfloat16
    error = (found.double() - right).norm(dim=1)
    assert bool((error <= TOLERANCE * right.norm(dim=1)).all())


def refused(device):
    """Arguments that must be refused, each with a word of the message."""
    right = arguments(4, 2, 4, 64, 128, device)
    yield {**right, "x": right["x"].float()}, "bfloat16"
    yield {**right, "ids": right["ids"].long()}, "int32"
    yield {**right, "weights": right["weights"][:3]}, "weights must be of shape"
    yield {**right, "w13": right["w13"][:, :128]}, "w13 must be of shape"
    yield {**right, "w2": right["w2"][0]}, "3-d"
    yield {**right, "w13": right["w13"][:, :192], "w2": right["w2"][..., :96]}, "multiple of 64"
    yield {**right, "w13": right["w13"][:1], "w2": right["w2"][:1]}, "2 to 256 experts"
