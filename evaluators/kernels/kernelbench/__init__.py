"""KernelBench level 1 files as problems: ``Model`` is read in a sandbox, its operators are what outputs are held to.

May import torch. Names: `File`, `Trace`, `KernelBenchTask`, `make_problem`.
"""
