"""Tests what works on this machine by doing it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from db.archive import Archive
from db.records import ArchiveError
from evaluators.host import cpu_model, usable_cpus, visible_gpus
from evolve.config import KEY_VARIABLE, URL_VARIABLE, ConfigError, environment, resolve
from reports.text import count
from sandbox import ENFORCED, Ending, Limits, Sandbox, tier_of

RAY_SECONDS = 120
GPU_SECONDS = 120
MISSING_LAYER = "the other layers must hold; --require-sandbox refuses to run with less than a tier"


class State(StrEnum):
    """What came of a test."""

    WORKS = "works"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part, what came of testing it, in words, and how to mend it."""

    part: str
    state: State
    detail: str
    hint: str = ""


def examine(db: str) -> list[Finding]:
    """Test every part; a run needs all that can be ``broken``, the rest is only named."""
    findings = [_python(), _numpy(), *_sandbox(), _ray(), _database(db), _models()]
    return [*findings, *_kernels()]


def sandbox_layers() -> Mapping[str, str]:
    """What the sandbox enforces here, probed by starting one."""
    with Sandbox(preload=("numpy",), array_module="numpy") as sandbox:
        return dict(sandbox.layers)


def _python() -> Finding:
    version = platform.python_version()
    detail = f"{version} on {platform.system()} {platform.release()}, {len(usable_cpus())} CPUs ({cpu_model()})"
    if platform.system() != "Linux":
        return Finding(part="python", state=State.BROKEN, detail=detail, hint="the sandbox needs Linux")
    return Finding(part="python", state=State.WORKS, detail=detail)


def _numpy() -> Finding:
    return Finding(part="numpy", state=State.WORKS, detail=importlib.metadata.version("numpy"))


def _sandbox() -> list[Finding]:
    source = "def answer(value):\n    return value + 1\n"
    try:
        with Sandbox(preload=("numpy",), array_module="numpy") as sandbox:
            started = time.perf_counter()
            with sandbox.open(source, "answer", Limits()) as session:
                execution = session.call({"value": 41}, timeout_seconds=10.0)
            took_ms = 1000 * (time.perf_counter() - started)
            layers = dict(sandbox.layers)
    except Exception as error:  # noqa: BLE001 - a doctor reports whatever goes wrong
        return [Finding(part="sandbox", state=State.BROKEN, detail=str(error), hint="report this")]
    if execution.ending is not Ending.REPLIED or execution.value != 42:
        detail = f"a trivial program ended with {execution.ending.value}: {execution.reason}"
        return [Finding(part="sandbox", state=State.BROKEN, detail=detail, hint="report this")]
    findings = [
        Finding(part="sandbox", state=State.WORKS, detail=f"a trivial program in {took_ms:.1f} ms"),
        Finding(part="sandbox tier", state=State.WORKS, detail=tier_of(layers).value),
    ]
    for layer, state in layers.items():
        enforced = state == ENFORCED
        findings.append(
            Finding(
                part=f"sandbox: {layer}",
                state=State.WORKS if enforced else State.MISSING,
                detail=state,
                hint="" if enforced else MISSING_LAYER,
            )
        )
    return findings


def _ray() -> Finding:
    # In a process of its own: Ray registers handlers and threads that a doctor must not leave behind.
    script = (
        "import ray, logging; ray.init(address='local', num_cpus=1, include_dashboard=False, "
        "logging_level='ERROR', log_to_driver=False, _node_ip_address='127.0.0.1'); "
        "f = ray.remote(lambda: 41 + 1); print(ray.get(f.remote(), timeout=60)); ray.shutdown()"
    )
    return _subprocess("ray", script, "42", hint="use --pool serial; ray needs 2 GB of free memory")


def _subprocess(part: str, script: str, expected: str, *, hint: str) -> Finding:
    started = time.perf_counter()
    try:
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as token:
            token.write(secrets.token_hex(32))
            token.flush()
            done = subprocess.run(
                [sys.executable, "-c", script],
                capture_output=True,
                text=True,
                timeout=RAY_SECONDS,
                check=False,
                env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN_PATH": token.name},
            )
    except subprocess.TimeoutExpired:
        return Finding(part=part, state=State.BROKEN, detail=f"no answer in {RAY_SECONDS} s", hint=hint)
    took = time.perf_counter() - started
    if done.returncode or done.stdout.strip() != expected:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Finding(part=part, state=State.BROKEN, detail=lines[-1][:200], hint=hint)
    version = importlib.metadata.version(part)
    return Finding(part=part, state=State.WORKS, detail=f"{version}, a task in {took:.1f} s with start-up")


def _database(db: str) -> Finding:
    detail = f"SQLite {sqlite3.sqlite_version}, SQLAlchemy {importlib.metadata.version('sqlalchemy')}"
    path = Path(db.removeprefix("sqlite:///"))
    if not path.exists():
        parent = path.resolve().parent
        writable = _can_write(parent)
        state = State.WORKS if writable else State.BROKEN
        hint = "" if writable else f"{parent} cannot be written; choose another folder with --db"
        return Finding(part="database", state=state, detail=f"{detail}; {db} will be created", hint=hint)
    try:
        with Archive.open(db) as archive:
            count = len(archive.runs())
    except ArchiveError as error:
        return Finding(part="database", state=State.BROKEN, detail=str(error), hint="choose another --db")
    return Finding(part="database", state=State.WORKS, detail=f"{detail}; {db} holds {count} runs")


def _models() -> Finding:
    """Ask the server of language models that a run would take by default what it offers; that costs nothing."""
    # Imported here: the client takes most of a second.
    from evolve.proposers.llm.chat import list_models  # noqa: PLC0415
    from evolve.proposers.llm.errors import ProviderError  # noqa: PLC0415
    from evolve.proposers.llm.setup import server_key  # noqa: PLC0415

    try:
        settings = resolve({}, environment(), None)
        if settings["base_url"] is None and settings["api_key_file"] is None and not environment().get(KEY_VARIABLE):
            hint = f"only runs with models need one: {KEY_VARIABLE}, {URL_VARIABLE} or --base-url"
            return Finding(part="models", state=State.MISSING, detail="no key and no address", hint=hint)
        names = asyncio.run(list_models(settings["base_url"], server_key(settings.values, environment())))
    except (ConfigError, ProviderError) as error:
        what, _, hint = str(error).partition("\nhint: ")
        return Finding(part="models", state=State.BROKEN, detail=what, hint=hint)
    version, offered = importlib.metadata.version("openai"), count(len(names), "model")
    detail = f"openai {version}; {settings['base_url'] or 'OpenAI'} offers {offered}, none was asked"
    return Finding(part="models", state=State.WORKS, detail=detail)


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _kernels() -> list[Finding]:
    """What judging Triton kernels takes: both libraries, a compiler in the sandbox, a GPU."""
    missing = [name for name in ("torch", "triton") if importlib.util.find_spec(name) is None]
    if missing:
        hint = "only kernels need it: pip install 'evolve-adrs[kernels]'"
        return [Finding(part=name, state=State.MISSING, detail="not installed", hint=hint) for name in missing]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "triton"))
    return [_compiler(versions), _gpu()]


def _compiler(versions: str) -> Finding:
    # Imported here: only kernels need it.
    from evaluators.kernels.recording import Recorder, empty_recording  # noqa: PLC0415

    try:
        with Recorder() as recorder:
            recording = empty_recording(recorder)
    except Exception as error:  # noqa: BLE001 - a doctor reports whatever goes wrong
        hint = "kernels cannot be compiled here; other problems can be run"
        return Finding(part="kernels", state=State.MISSING, detail=f"{versions}; {error}"[:300], hint=hint)
    detail = f"{versions}; one recorded and compiled for sm_{recording.architecture} in {recording.seconds:.1f} s"
    return Finding(part="kernels", state=State.WORKS, detail=detail)


def _gpu() -> Finding:
    if not visible_gpus():
        hint = "without one, kernels are checked and compiled but not timed"
        return Finding(part="GPU", state=State.MISSING, detail="none is visible", hint=hint)
    # In a process of its own: a CUDA context takes memory that a doctor must give back.
    script = (
        "import torch; names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]; "
        "assert int(torch.ones(42, device='cuda').sum()) == 42; print(', '.join(names))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=GPU_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        hint = "it may hang with other work: see nvidia-smi"
        return Finding(part="GPU", state=State.MISSING, detail=f"no answer within {GPU_SECONDS} s", hint=hint)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        hint = "torch must be a CUDA build that suits the driver; see CUDA_VISIBLE_DEVICES"
        return Finding(part="GPU", state=State.MISSING, detail=lines[-1][:200], hint=hint)
    return Finding(part="GPU", state=State.WORKS, detail=done.stdout.strip())
