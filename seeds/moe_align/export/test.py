"""Checks MODULE against plain PyTorch. Needs torch, triton, pytest and a GPU: python -m pytest test_MODULE.py"""

import pytest
import torch
from MODULE import moe_align

SHAPES = [
    (0, 64, 6, 16),
    (1, 128, 8, 64),
    (37, 60, 5, 8),
    (3, 8, 8, 256),
    (129, 1, 1, 16),
    (256, 128, 8, 64),
    (2600, 512, 10, 64),
    (5000, 8, 2, 128),
    (16384, 128, 8, 64),
]

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU: torch sees none")


def draw(kind, tokens, experts, k):
    """Ids of one kind, on the GPU."""
    generator = torch.Generator("cuda").manual_seed(tokens + experts)
    noise = torch.randn((tokens, experts), generator=generator, device="cuda")
    if kind == "one":
        return torch.full((tokens, k), experts - 1, device="cuda", dtype=torch.int32)
    if kind == "skewed":
        noise = noise - 0.1 * torch.arange(experts, device="cuda")
    return noise.topk(k, dim=1).indices.int()


@pytest.mark.parametrize("kind", ["even", "skewed", "one"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_row_stands_once_in_its_experts_section(shape, kind):
    tokens, experts, k, block = shape
    ids = draw(kind, tokens, experts, k)
    kept = ids.clone()
    sorted_rows, block_expert, num_padded = moe_align(ids=ids, num_experts=experts, block=block)
    rows = tokens * k
    places = -(-(rows + min(experts, rows) * (block - 1)) // block) * block
    assert (tuple(sorted_rows.shape), tuple(block_expert.shape)) == ((places,), (places // block,))
    assert sorted_rows.dtype == block_expert.dtype == num_padded.dtype == torch.int32
    assert torch.equal(ids, kept)
    start, chosen, found, owners = 0, ids.flatten().tolist(), sorted_rows.tolist(), block_expert.tolist()
    members = [[] for _ in range(experts)]
    for row, expert in enumerate(chosen):
        members[expert].append(row)
    for expert, mine in enumerate(members):
        end = start + -(-len(mine) // block) * block
        assert sorted(found[start : start + len(mine)]) == mine
        assert found[start + len(mine) : end] == [rows] * (end - start - len(mine))
        assert owners[start // block : end // block] == [expert] * ((end - start) // block)
        start = end
    assert num_padded.tolist() == [start]
    assert found[start:] == [rows] * (places - start)
    assert owners[start // block :] == [-1] * ((places - start) // block)
