from __future__ import annotations

import importlib.util
import re

import pytest

from evaluators import host
from evaluators.model import EvaluatorError
from evaluators.problem import ProblemError


class Devices:
    """What stands in for the folder of devices."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def glob(self, pattern: str) -> list[Named]:
        assert pattern == "nvidia*"
        return [Named(name) for name in self.names]


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = Devices("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-caps")
    monkeypatch.setattr(host, "Path", lambda _: devices)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("chosen", "count"), [(None, 2), ("", 0), ("-1", 0), ("1", 1), ("1,0", 2), ("GPU-5f0e", 1), ("0,1,2,3", 2)]
)
def test_gpus_are_those_that_exist_and_are_chosen(
    chosen: str | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert host.visible_gpus() == count
    assert host.uses_gpu("auto") is (count > 0)
    assert host.uses_gpu("cpu") is False


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_that_is_asked_for_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert host.uses_gpu("cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ProblemError, match="--device cpu"):
        host.uses_gpu("cuda")


def test_libraries_that_are_missing_are_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "triton" else installed(name))
    with pytest.raises(EvaluatorError, match=re.escape("evolve-adrs[kernels]")) as missing:
        host.require_kernel_libraries()
    assert "no triton" in str(missing.value)
