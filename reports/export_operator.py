"""What makes a PyTorch operator of an exported Triton module: texts beside a kernel problem's export texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import seeds

NEEDS = "torch>=2.6"
"""The first release that the texts are tried with; `torch.library.custom_op` and `opcheck` are older by two."""

OWN = ("operator.py", "operator_cases.py")
"""Texts of one problem: the operator with its fake kernel; sizes, arguments, plain PyTorch and checks."""

SHARED = seeds.ROOT / "kernels" / "export"
"""Texts that do for every kernel problem: the test and the benchmark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """An operator around an exported module.

    Args:
        module: the exported module's name; also the operator's namespace.
        entry: the function, and the operator's own name.
        files: texts by file name.
    """

    module: str
    entry: str
    files: dict[str, str]

    @property
    def file(self) -> str:
        """The file that registers the operator when it is imported."""
        return f"{self.module}_operator.py"

    @property
    def name(self) -> str:
        """As PyTorch registers it, such as ``topk_gating_policy::topk_gating``."""
        return f"{self.module}::{self.entry}"

    def provenance(self) -> dict[str, object]:
        """For programs."""
        return {"name": self.name, "file": self.file, "fake": True, "mutates": [], "gradient": False}

    def readme(self) -> str:
        """How to use it and how to check it, as a section of the README."""
        package = f"{self.module}_operator"
        return "\n\n".join(
            [
                "## Use as a PyTorch operator",
                f"```python\nfrom {package} import {self.entry}\n```",
                f"The same call as above, now as operator `{self.name}`: it also works inside "
                "`torch.compile(fullgraph=True)` (with `dynamic=True` one graph for all numbers of tokens from 2 on), "
                "`torch.export` and CUDA graphs, and refuses types and shapes that the program was never judged on. It "
                "is opaque to the compiler, so nothing is fused into it. Results are new tensors, without a gradient. "
                f"`torch.ops.{self.module}.{self.entry}` is the same operator, once `{package}` is imported.",
                f"```\npytest test_{package}.py                       # on a GPU\n"
                f"TRITON_INTERPRET=1 pytest test_{package}.py    # without one\n"
                "python benchmark_operator.py    # beside plain PyTorch, eager and compiled; needs a GPU\n```",
            ]
        )


def missing_texts(folder: Path) -> Sequence[Path]:
    """The files that a problem's folder lacks for `read_operator`."""
    paths = [folder / "export" / name for name in OWN]
    return [path for path in paths if not path.is_file()]


def read_operator(folder: Path, module: str, entry: str) -> Operator:
    """Read what turns a problem's exported module into an operator.

    Args:
        folder: the problem's, with a folder ``export``.
        module: the exported module's name, which takes the place of ``MODULE`` in the texts.
        entry: the function that the module defines.

    Raises:
        FileNotFoundError: one of `OWN` is missing; ask `missing_texts` first.
    """
    own, cases = (folder / "export" / name for name in OWN)
    sources = {
        f"{module}_operator.py": own,
        f"{module}_cases.py": cases,
        f"test_{module}_operator.py": SHARED / "operator_test.py",
        "benchmark_operator.py": SHARED / "operator_benchmark.py",
    }
    files = {name: path.read_text(encoding="utf-8").replace("MODULE", module) for name, path in sources.items()}
    return Operator(module=module, entry=entry, files=files)
