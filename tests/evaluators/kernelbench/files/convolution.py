"""A small two-dimensional convolution with bias."""

import torch
from torch import nn

batch = 16
channels = 32
filters = 64
height = 128
width = 96
kernel = 3


class Model(nn.Module):
    def __init__(self, channels, filters, kernel):
        super().__init__()
        self.convolution = nn.Conv2d(channels, filters, kernel, padding=1)

    def forward(self, image):
        return self.convolution(image)


def get_inputs():
    return [torch.randn(batch, channels, height, width)]


def get_init_inputs():
    return [channels, filters, kernel]
