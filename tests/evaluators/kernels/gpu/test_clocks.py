"""The driver's version, as different kernel modules tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluators.kernels.gpu import clocks


@pytest.mark.parametrize(
    "told",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue Sep 23\nGCC version: 12.2.0\n",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder)\n",
    ],
)
def test_the_kernel_module_tells_the_drivers_version(told: str, tmp_path: Path) -> None:
    file = tmp_path / "version"
    file.write_text(told, encoding="utf-8")
    assert clocks.driver_version(file) == "580.95.05"


def test_without_a_driver_there_is_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "LIBRARY", "libno-such-library.so.9")
    assert clocks.driver_version(tmp_path / "none") == ""
    (tmp_path / "odd").write_text("another driver\n", encoding="utf-8")
    assert clocks.driver_version(tmp_path / "odd") == ""
