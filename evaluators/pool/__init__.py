"""Judging several programs at a time in Ray actors on this machine. The only package that knows Ray.

Names: `RayPool`.
"""

from evaluators.pool.ray_pool import RayPool

__all__ = ["RayPool"]
