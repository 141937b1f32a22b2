"""Root mean square normalisation, written out, in bfloat16 as models serve it."""

import torch
from torch import nn

tokens = 4096
hidden = 2048


class Model(nn.Module):
    def __init__(self, hidden, epsilon):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(hidden, dtype=torch.bfloat16))
        self.epsilon = epsilon

    def forward(self, x):
        wide = x.float()
        scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.epsilon)
        return (wide * scale).to(x.dtype) * self.gain


def get_inputs():
    return [torch.randn(tokens, hidden).to(torch.bfloat16)]


def get_init_inputs():
    return [hidden, 1e-6]
