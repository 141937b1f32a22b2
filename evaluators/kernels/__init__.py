"""Triton kernels: recorded in a sandbox without a GPU, replayed and timed by the judge on buffers of its own.

May import torch (never at the import of `forms`, `plan` or `task`, which travel) and, for library columns alone, what a
user would compare with. Never imports a candidate. Names: `Call`, `Form`, `Recording`, `KernelTask`, `KernelWorkload`.
"""
