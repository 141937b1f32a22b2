"""Runs a task's own evaluator: the program of a guest, which has the task's files, the candidate and nothing else.

It stands in for what OpenEvolve does in its own process: files beside the evaluator can be imported, and so can
``openevolve.evaluation_result.EvaluationResult``. Standard library only.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
import traceback
from numbers import Real
from pathlib import Path
from typing import Any

MODULE = "evaluation_module"
STAGES = ("evaluate", "evaluate_stage1", "evaluate_stage2", "evaluate_stage3")
CANDIDATE = "candidate/program.py"
MOST_METRICS, MOST_ARTIFACTS = 64, 64
DECISIVE = ("combined_score", "error")
NAME_CHARACTERS, TEXT_CHARACTERS, ARTIFACT_CHARACTERS = 80, 2000, 8000

RESULT = '''
class EvaluationResult:
    """What an evaluator may return: figures, and texts for whoever writes the next program."""

    def __init__(self, metrics, artifacts=None):
        self.metrics = metrics
        self.artifacts = {} if artifacts is None else artifacts

    @classmethod
    def from_dict(cls, metrics):
        return cls(metrics=metrics)

    def to_dict(self):
        return self.metrics

    def has_artifacts(self):
        return bool(self.artifacts)

    def get_artifact_keys(self):
        return list(self.artifacts)

    def get_artifact_size(self, key):
        value = self.artifacts.get(key, b"")
        return len(value if isinstance(value, bytes) else str(value).encode())

    def get_total_artifact_size(self):
        return sum(map(self.get_artifact_size, self.artifacts))
'''
SHIM = {
    "openevolve/__init__.py": "",
    "openevolve/evaluation_result.py": RESULT,
}


def answer(do: str, **given: Any) -> object:
    """The entry: ``prepare`` once, then one stage after the other."""
    try:
        return prepare(**given) if do == "prepare" else run(given["stage"])
    except BaseException:
        traceback.print_exc()  # the caller is told the last line alone
        raise


def prepare(names: list[str], evaluator: str, sites: list[str], python: str, home: str, **contents: Any) -> object:
    """Write the task's files and the candidate, and load the evaluator.

    Args:
        names: path of every file within the task's folder; its content is the argument ``file_NUMBER``.
        evaluator: which of them is the evaluator.
        sites: folders of installed packages, for programs that the evaluator starts.
        python: the interpreter that these are started with.
        home: folder of its own library.
        contents: of the files, and ``program``, the candidate's text.
    """
    scratch = Path.cwd()
    task = scratch / "task"
    for number, name in enumerate(names):
        _write(task / name, bytes(contents[f"file_{number}"].data))
    for name, text in SHIM.items():
        _write(scratch / "shim" / name, text.encode())
    _write(scratch / CANDIDATE, contents["program"].encode())
    temporary = scratch / "temporary"
    temporary.mkdir()
    path = task / evaluator
    own = [str(path.parent), str(task), str(scratch / "shim")]
    os.environ.update(
        {
            "PATH": str(Path(python).parent),
            "PYTHONPATH": os.pathsep.join([*own, *sites]),
            "PYTHONHOME": home,
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "Agg",
            "HOME": str(scratch),
            "TMPDIR": str(temporary),
        }
    )
    tempfile.tempdir = str(temporary)
    sys.executable = python
    sys.dont_write_bytecode = True
    sys.path[:0] = dict.fromkeys(own)
    os.chdir(task)
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return {"stages": [name for name in STAGES if callable(getattr(module, name, None))], "scratch": str(scratch)}


def run(stage: str) -> object:
    """Let the evaluator judge the candidate, and put what it says in a form that can leave."""
    path = Path(os.environ["HOME"]) / CANDIDATE
    result = getattr(sys.modules[MODULE], stage)(str(path))
    metrics: Any = result
    artifacts: Any = {}
    if not isinstance(result, dict):
        metrics, artifacts = getattr(result, "metrics", None), getattr(result, "artifacts", None) or {}
    if not isinstance(metrics, dict):
        return {"kind": type(result).__name__[:NAME_CHARACTERS]}
    # Those that decide come first, so that no number of others pushes them out.
    ordered = sorted(metrics.items(), key=lambda item: str(item[0]) not in DECISIVE)
    if len(ordered) > MOST_METRICS:
        if DECISIVE[0] not in metrics:
            raise ValueError(f"{len(ordered)} metrics without {DECISIVE[0]}; at most {MOST_METRICS} can be averaged")
        sys.stdout.write(f"{len(ordered) - MOST_METRICS} of {len(ordered)} metrics are left out\n")
    return {
        "kind": "result",
        "metrics": [[str(name)[:NAME_CHARACTERS], *_figure(value)] for name, value in ordered[:MOST_METRICS]],
        "artifacts": [
            [str(name)[:NAME_CHARACTERS], _text(value)[:ARTIFACT_CHARACTERS]]
            for name, value in list(dict(artifacts).items())[:MOST_ARTIFACTS]
        ],
    }


def _figure(value: Any) -> tuple[str, str]:
    """What a metric is, and it as text: JSON has no NaN and no infinity."""
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()
    if isinstance(value, bool):
        return "flag", str(value)
    if isinstance(value, Real):
        try:
            return "number", repr(float(value))
        except OverflowError:
            return "number", "inf"
    return "text", "" if value is None else str(value)[:TEXT_CHARACTERS]


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value)
    except (TypeError, ValueError):
        return str(value)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
