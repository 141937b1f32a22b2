"""Describes the machine that a measurement was made on."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from evaluators.model import EvaluatorError
from evaluators.problem import ProblemError
from sandbox import Tier, missing_for, tier_of


def cpu_model() -> str:
    """The processor's marketing name, or its architecture where the kernel does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def usable_cpus() -> list[int]:
    """CPUs that this process may run on."""
    return sorted(os.sched_getaffinity(0))


def visible_gpus() -> int:
    """How many NVIDIA GPUs this process may use; without touching any."""
    names = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia*")]
    count = sum(name.isdecimal() for name in names)
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return count
    return min(count, len([part for part in chosen.split(",") if part.strip() not in {"", "-1"}]))


def uses_gpu(device: str) -> bool:
    """Whether kernels are judged on a GPU, if ``auto``, ``cpu`` or ``cuda`` is asked for.

    Raises:
        ProblemError: ``cuda`` is, and there is none.
    """
    count = visible_gpus()
    if device == "cuda" and not count:
        raise ProblemError(
            "no GPU is visible to this process (device cuda)\nhint: --device cpu checks that kernels are right and "
            "compiles them, without any score; see evolve doctor and CUDA_VISIBLE_DEVICES"
        )
    return device != "cpu" and count > 0


def require_kernel_libraries() -> None:
    """Refuse to judge kernels without torch and Triton; without importing them.

    Raises:
        EvaluatorError: one of them is not installed.
    """
    missing = [name for name in ("torch", "triton") if importlib.util.find_spec(name) is None]
    if missing:
        raise EvaluatorError(
            f"kernels take torch and Triton, and here is no {' and no '.join(missing)}\n"
            "hint: pip install 'evolve-adrs[kernels]'"
        )


def describe_host(layers: Mapping[str, str]) -> dict[str, str]:
    """Facts to store with a measurement: processor, kernel, versions, and what the sandbox enforces."""
    facts = {
        "cpu": cpu_model(),
        "cpus": str(len(usable_cpus())),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": importlib.metadata.version("numpy"),
    }
    facts["sandbox tier"] = tier_of(layers).value
    facts.update({f"sandbox {layer}": state for layer, state in layers.items()})
    return facts


def require_sandbox(layers: Mapping[str, str], tier: str) -> None:
    """Refuse to go on where the sandbox is weaker than wanted.

    Args:
        layers: what it enforces, by layer.
        tier: ``full``, ``landlock``, ``limits`` or ``none``.

    Raises:
        EvaluatorError: it lacks something that this tier needs; names what and why.
    """
    missing = missing_for(Tier(tier), layers)
    if missing:
        raise EvaluatorError(
            f"a {tier!r} sandbox is required, and this machine gives {tier_of(layers).value!r}; missing: "
            f"{', '.join(missing)}\nhint: see evolve doctor, or allow less with "
            f"--require-sandbox {tier_of(layers).value}"
        )
