"""A linear layer: weights drawn by the file."""

import torch
from torch import nn

tokens = 2048
inner = 1024
outer = 512


class Model(nn.Module):
    def __init__(self, inner, outer):
        super().__init__()
        self.linear = nn.Linear(inner, outer)

    def forward(self, x):
        return self.linear(x)


def get_inputs():
    return [torch.randn(tokens, inner)]


def get_init_inputs():
    return [inner, outer]
