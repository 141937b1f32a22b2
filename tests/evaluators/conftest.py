from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def bench_module(name: str) -> ModuleType:
    """A benchmark problem's module, to derive smaller and faulty problems from."""
    spec = importlib.util.spec_from_file_location(f"{name}_for_tests", BENCH / name / "problem.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def trivial() -> ModuleType:
    return bench_module("trivial")


@pytest.fixture(scope="session")
def speed() -> ModuleType:
    return bench_module("speed")
