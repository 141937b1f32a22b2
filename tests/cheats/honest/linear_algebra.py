"""Multiplies, decomposes and transforms matrices with numpy.

family: honest
expect: ok

Numerical libraries start threads where they may; with one they must work all the same.
"""

import numpy as np

_matrix = np.random.default_rng(0).standard_normal((96, 96))


def cheat(honest, arguments):
    product = _matrix @ _matrix.T + 96 * np.eye(96)
    lower = np.linalg.cholesky(product)
    solved = np.linalg.solve(product, lower)
    assert np.allclose(product @ solved, lower)
    assert np.linalg.svd(_matrix)[1].min() > 0
    assert np.isfinite(np.fft.rfft(_matrix)).all()
    return honest(**arguments)
