"""Product of two matrices that are both stored transposed."""

import torch
from torch import nn

ROWS = 1536
COLUMNS = 640
INNER = 2048


class Model(nn.Module):
    def forward(self, a, b):
        return torch.matmul(a.T, b.mT)


def get_inputs():
    return [torch.rand(INNER, ROWS), torch.rand(COLUMNS, INNER)]


def get_init_inputs():
    return []
