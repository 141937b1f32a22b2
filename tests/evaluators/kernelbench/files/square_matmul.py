"""Product of two square matrices."""

import torch
from torch import nn

N = 1024 * 2


class Model(nn.Module):
    def forward(self, left, right):
        return left @ right


def get_inputs():
    return [torch.randn(N, N), torch.rand(N, N)]


def get_init_inputs():
    return []
