"""Least-loaded expert parallelism: which GPU computes which tokens of which expert, one MoE layer's step at a time."""
