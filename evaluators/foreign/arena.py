"""Where a task's evaluator meets a candidate: one sandbox, in which both are guests."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.block import Block
from evaluators.foreign.claim import CLAIM, HOST_FACT
from evaluators.foreign.loading import ForeignTask
from evaluators.foreign.result import Said, read_said
from evaluators.guest import OUTCOMES, SandboxGuest
from evaluators.host import describe_host
from evaluators.model import EvaluatorError, Outcome
from evaluators.problem import Clock, RefusedError, Workload
from sandbox import Buffer, Ending, Limits, Sandbox, Session

if TYPE_CHECKING:
    from evaluators.arena import Entrance, Terms

DRIVER = Path(__file__).parent / "inside" / "driver.py"
ENTRY = "answer"
MEMORY_BYTES = 4 << 30
PROCESSES = 64
PRINTED_CHARACTERS, ARTIFACT_CHARACTERS = 4000, 8000
"""Of an evaluation's log; the judge keeps some more of it."""

ALWAYS = ("numpy", "scipy")
"""Loaded ahead, and so importable, whatever the task imports."""


def limits_of(task: ForeignTask) -> Limits:
    """What an evaluator with its candidate and all that they start may use together."""
    return Limits(
        memory_bytes=task.config.memory_bytes or MEMORY_BYTES,
        load_seconds=30.0,
        file_bytes=64 << 20,
        reply_bytes=4 << 20,
        log_bytes=256 << 10,
        processes=PROCESSES,
        threads=task.config.processors,
    )


def preloaded(task: ForeignTask) -> tuple[str, ...]:
    """Modules that guests can import beside the standard library and the task's own."""
    return tuple(dict.fromkeys((*ALWAYS, *task.imports.modules)))


def interpreter() -> Path:
    """The one that a virtual environment is made of: it needs no ``pyvenv.cfg``, which guests cannot read."""
    return Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()


def startable() -> tuple[str, ...]:
    """The interpreter by its names, which many evaluators start for the candidate, and the library it consists of."""
    own = interpreter()
    names = [own, *(own.with_name(name) for name in ("python", "python3"))]
    programs = tuple(str(path) for path in names if path.exists() and path.resolve() == own)
    library = Path(str(sysconfig.get_config_var("LIBDIR")), str(sysconfig.get_config_var("INSTSONAME")))
    shared = bool(sysconfig.get_config_var("Py_ENABLE_SHARED")) and library.is_file()
    return (*programs, str(library)) if shared else programs


class ForeignGuest(SandboxGuest):
    """A task's evaluator with one candidate, in a fresh process.

    Args:
        session: with the driver loaded.
        clock: the judge's.
        task: whose evaluator.
        source: the candidate.
    """

    def __init__(self, session: Session, clock: Clock, task: ForeignTask, source: str) -> None:
        super().__init__(session, clock)
        self._task = task
        self._source = source
        self.artifacts = ""

    @property
    def lines(self) -> int:
        """Lines of the candidate that are not blank."""
        return sum(bool(line.strip()) for line in self._source.splitlines())

    def prepare(self) -> frozenset[str]:
        """Load the evaluator; names of the stages that it has.

        Raises:
            RefusedError: it does not load.
        """
        files = self._task.files
        contents: dict[str, Any] = {
            f"file_{number}": Buffer(dtype="|u1", shape=(len(content),), data=content)
            for number, content in enumerate(files.values())
        }
        value = self._say(
            {
                "do": "prepare",
                "names": list(files),
                "evaluator": self._task.evaluator,
                "sites": sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}),
                "python": str(interpreter()),
                "home": sys.base_prefix,
                "program": self._source,
                **contents,
            }
        )
        stages = value.get("stages") if isinstance(value, Mapping) else None
        if not isinstance(stages, list | tuple):
            raise RefusedError(Outcome.CHEATED, "a reply that the driver of the task does not give")
        return frozenset(map(str, stages))

    def run(self, stage: str) -> Said:
        """What the evaluator says of the candidate, in time.

        Raises:
            RefusedError: it says nothing.
        """
        try:
            return read_said(self._say({"do": "run", "stage": stage}))
        except RefusedError as refused:
            raise RefusedError(refused.outcome, f"{stage}: {refused.reason}", check=refused.check) from refused

    def _say(self, arguments: Mapping[str, Any]) -> object:
        execution = self._session.call(arguments, timeout_seconds=self._task.config.timeout_seconds)
        if execution.ending is not Ending.REPLIED:
            raise RefusedError(OUTCOMES[execution.ending], execution.reason or execution.ending.value)
        return execution.value


class ForeignArena:
    """See `evaluators.arena.Arena`.

    Args:
        terms: what every arena is built from.
        task: what is run.
    """

    def __init__(self, terms: Terms, task: ForeignTask) -> None:
        self._clock = terms.clock
        self._task = task
        self._driver = DRIVER.read_text(encoding="utf-8")
        self._sandbox = Sandbox(preload=preloaded(task), cpu=terms.cpu, programs=startable())
        self.host = {HOST_FACT: CLAIM, **describe_host(self._sandbox.layers)}

    @property
    def layers(self) -> Mapping[str, str]:
        """See `Arena`."""
        return self._sandbox.layers

    @property
    def blind_to(self) -> str:
        """See `Arena`."""
        return ""

    @property
    def target(self) -> object:
        """See `Arena`."""
        return None

    def prepare(self, source: str, workloads: Sequence[Workload]) -> object:
        """See `Arena`."""
        del source, workloads
        return None

    def audit(self, source: str, block: Block, prepared: object) -> Mapping[str, str]:
        """See `Arena`; there is nothing that we could hold a score to."""
        del source, block, prepared
        return {}

    def close(self) -> None:
        """See `Arena`."""
        self._sandbox.close()

    @contextmanager
    def guest(self, source: str, entrance: Entrance) -> Iterator[ForeignGuest]:
        """See `Arena`; what the evaluator tells of the candidate stands in the log, behind what was printed last."""
        session = self._sandbox.open(self._driver, ENTRY, limits_of(self._task))
        guest = ForeignGuest(session, self._clock, self._task, source)
        try:
            if session.load.ending is not Ending.REPLIED:
                raise EvaluatorError(f"the driver of foreign tasks does not load: {session.load.reason}")
            yield guest
        finally:
            printed = guest.close()
            entrance.logs.append(printed[-PRINTED_CHARACTERS:] + guest.artifacts[:ARTIFACT_CHARACTERS])


def foreign_arena(terms: Terms) -> ForeignArena:
    """The arena of a task.

    Raises:
        EvaluatorError: the problem is none.
    """
    task = getattr(terms.problem, "task", None)
    if not isinstance(task, ForeignTask):
        raise EvaluatorError(
            f"problem {terms.problem.declaration.name} declares a claim and is no task of another tool"
        )
    return ForeignArena(terms, task)
