"""Checks MODULE's interface on random input. Needs numpy and pytest only: python -m pytest test_MODULE.py"""

import numpy as np
import pytest
from MODULE import assign


@pytest.mark.parametrize(("jobs", "machines"), [(1, 1), (3, 8), (40, 8), (80, 24)])
def test_every_job_has_a_machine(jobs, machines):
    seconds = np.random.default_rng(jobs).lognormal(0, 1, jobs)
    kept = seconds.copy()
    machine = assign(seconds=seconds, machines=machines)
    assert machine.dtype == np.int32
    assert machine.shape == (jobs,)
    assert machine.min() >= 0
    assert machine.max() < machines
    assert np.array_equal(seconds, kept)
