"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    query = "name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit"
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError) as error:
        told = [f"unknown ({type(error).__name__})"]
    values = [value.strip() for value in (told[0] if told else "unknown").split(",")]
    names = ("device", "driver", "memory", "highest SM clock", "highest memory clock", "power limit")
    facts = dict(zip(names, values, strict=False)) | {"rows of nvidia-smi": str(len(told))}
    facts |= {package: version_of(package) for package in ("torch", "triton", "numpy", "ray", "optuna")}
    facts["python"] = platform.python_version()
    facts["system"] = f"{platform.system()} {platform.release()}, {len(os.sched_getaffinity(0))} processors"
    return facts


def version_of(package: str) -> str:
    """The installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
