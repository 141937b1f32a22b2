"""Finds problems: the built-in ones by name, a user's own by the path of its file or folder."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import cast

from evaluators.foreign.claim import PREFIX as OPENEVOLVE
from evaluators.lines import path_behind
from evaluators.problem import Problem, ProblemError

BUILT_IN = {
    "adaptive_topk": "evaluators.adaptive_topk.suite",
    "bias_control": "evaluators.bias_control.suite",
    "block_coreset": "evaluators.block_coreset.suite",
    "eplb": "evaluators.eplb.suite",
    "eplb_speed": "evaluators.eplb_speed.suite",
    "expert_cache": "evaluators.expert_cache.suite",
    "hadamard_quant": "evaluators.kernels.suites.hadamard_quant",
    "moe_align": "evaluators.kernels.suites.moe_align",
    "moe_combine": "evaluators.kernels.suites.moe_combine",
    "moe_decode": "evaluators.kernels.suites.moe_decode",
    "moe_prefill": "evaluators.kernels.suites.moe_prefill",
    "placement": "evaluators.placement.suite",
    "product_key_router": "evaluators.kernels.suites.product_key_router",
    "request_router": "evaluators.request_router.suite",
    "token_dispatch": "evaluators.token_dispatch.suite",
    "topk_gating": "evaluators.kernels.suites.topk_gating",
    "topk_gating_grouped": "evaluators.kernels.suites.topk_gating_grouped",
}
"""Problem name to the module whose ``make_problem(workload)`` builds it."""

KERNELBENCH = "kernelbench:"
"""Before the path of a KernelBench file."""


def load_problem(name: str, workload: str = "generated") -> Problem:
    """Build a problem.

    Args:
        name: a built-in name, or the path of a Python file (or of a folder with a ``problem.py``) that
            defines ``make_problem(workload: str) -> Problem``, or ``kernelbench:`` and the path of a KernelBench
            file, or ``openevolve:`` and the path of a folder in OpenEvolve's form.
        workload: which workloads to measure on: ``generated`` or a trace file.

    Raises:
        ProblemError: no such problem, or its file cannot be loaded.
    """
    if KERNELBENCH in name:
        # Imported here: it needs torch.
        from evaluators.kernels.kernelbench.problem import load_kernelbench  # noqa: PLC0415

        return load_kernelbench(name, workload)
    if OPENEVOLVE in name:
        # Imported here: it reads YAML.
        from evaluators.foreign.problem import load_foreign  # noqa: PLC0415

        return load_foreign(name, workload)
    if os.sep in name or name.endswith(".py"):
        return _load_file(Path(name), workload)
    if name not in BUILT_IN:
        close = difflib.get_close_matches(name, BUILT_IN, n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        raise ProblemError(
            f"unknown problem {name!r}\nhint: {meant}known problems: {', '.join(sorted(BUILT_IN))}; "
            "a problem of your own is named by its path, such as ./my_problem"
        )
    module = importlib.import_module(BUILT_IN[name])
    return cast(Problem, module.make_problem(workload))


def settled_name(name: str) -> str:
    """The name of a problem that means the same in every folder: paths are resolved, behind a prefix too."""
    if name in BUILT_IN:
        return name
    for prefix in (KERNELBENCH, OPENEVOLVE):
        if prefix in name:
            return prefix + str(path_behind(prefix, name).resolve())
    return str(Path(name).resolve())


def _load_file(path: Path, workload: str) -> Problem:
    file = path / "problem.py" if path.is_dir() else path
    if not file.is_file():
        raise ProblemError(f"no problem at {path}\nhint: name a Python file, or a folder with a problem.py")
    module_name = f"evolve_problem_{file.resolve().parent.name}_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise ProblemError(f"cannot load {file}\nhint: it must be a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "make_problem"):
            raise ProblemError(f"{file} defines no make_problem(workload)\nhint: see docs/problems.md")
        return cast(Problem, module.make_problem(workload))
    except ProblemError:
        raise
    except Exception as error:
        raise ProblemError(
            f"problem {file} cannot be loaded: {type(error).__name__}: {error}\nhint: run it with python to see where"
        ) from error
