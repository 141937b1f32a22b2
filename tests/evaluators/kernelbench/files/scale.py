"""A matrix times a number."""

import torch
from torch import nn

rows = 4096
columns = 2048


class Model(nn.Module):
    def forward(self, matrix, factor):
        return matrix * factor


def get_inputs():
    return [torch.rand(rows, columns), 3.25]


def get_init_inputs():
    return []
