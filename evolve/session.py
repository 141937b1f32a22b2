"""Puts a run's parts together: archive, problem, pool, search - for a new run, a resumed one, or a final."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import SystemRandom
from typing import Any

from db.archive import Archive
from db.records import NewRun, Purpose, RunRecord, RunStatus
from evaluators.host import require_kernel_libraries, usable_cpus, visible_gpus
from evaluators.problem import Problem, ProblemError
from evaluators.program import normalised_digest
from evaluators.registry import load_problem, settled_name
from evaluators.screen import screen_by
from evaluators.seeding import SECRET_BYTES, draw_secret
from evaluators.serial import SerialPool
from evaluators.tasks import EvaluationPool, LazyPool, PoolError, WorkerSpec, gpus_for, slots_of
from evaluators.workloads.choice import NAMED
from evolve import desks
from evolve.config import SEARCH_LIMITS, Config, ConfigError, budget_of, complete, left_out
from evolve.desk import Desk
from evolve.drafting import SIMPLIFY
from evolve.evolution import Evolution
from evolve.finals import FINALISTS, SEEDS, Contenders, FinalResult, run_final
from evolve.finishing import TIME_SHARE, Simplified, SimplifyingDesk
from evolve.guard import Guard
from evolve.runner import Observer, Runner, Workshop
from evolve.simplify import Simplifier
from evolve.tactics import make_parts, make_steering, make_tuner

RECORDERS_FOR_GPU = 8
"""How many processors record kernels for one GPU, where nothing else is said.

A candidate is recorded in 2 to 9 s on one processor and measured in 2 to 3 s, or refused at once. More recorders would
wait for the GPU with programs that were written before any verdict came, and take longer to start: each of them imports
torch and a compiler.
"""


@dataclass(slots=True, kw_only=True)
class Session:
    """A run with all that it needs to go on; ``say`` tells a person, ``simplified`` is set once the winner was."""

    archive: Archive
    run: RunRecord
    problem: Problem
    evolution: Evolution
    runner: Runner
    say: Callable[[str], None]
    simplified: Simplified | None = None

    def search(self, stopping: Callable[[], bool]) -> None:
        """Search until the budget is spent or ``stopping()``; see `Runner.search`."""
        self.archive.set_status(self.run.id, RunStatus.RUNNING)
        self.runner.search(stopping)

    def simplify(self, stopping: Callable[[], bool]) -> None:
        """Leave out of the best candidate what its score does not need; a few evaluations beyond the budget."""
        settings = complete(self.run.config)
        best = next(iter(self.evolution.finalists(1)), None)
        if best is None or SIMPLIFY in left_out(settings) or settings["proposer"] not in {"operators", "llm"}:
            return
        facts = self.problem.declaration
        entry, objection = facts.entry, partial(screen_by, facts)
        original = self.archive.candidate(self.run.id, best).source
        guard = Guard("the simplifier", "no more is left out of the winner", self.say)
        simplifier = guard.call(lambda: CarefulSimplifier(original, entry, objection, guard), None)
        if simplifier is None:
            return
        desk = SimplifyingDesk(
            self.archive,
            self.run.id,
            best,
            simplifier,
            known=lambda source: self.archive.has_digest(self.run.id, normalised_digest(source, entry=entry)),
            clock=time.monotonic,
            # By the clock only where the search was: any other run is the same however fast the machine is.
            seconds=math.inf if budget_of(settings).seconds is None else TIME_SHARE * self.runner.elapsed_seconds,
        )
        self.runner.polish(desk, stopping)
        self.simplified = desk.result

    def final(self, stopping: Callable[[], bool]) -> FinalResult | None:
        """Measure finalists and best seeds on hidden workloads; None when there is no finalist, or on a stop."""
        finalists = self.evolution.finalists(FINALISTS)
        seeds = self.evolution.best_seeds(SEEDS)
        if not finalists or not seeds:
            return None
        contenders = Contenders(
            finalists=tuple(finalists), seeds=tuple(seeds), is_kernel=self.problem.declaration.kernel
        )
        simplified = self._simplified()
        return run_final(self.archive, self.run.id, self.runner, contenders, stopping, simplified=simplified)

    def _simplified(self) -> Simplified | None:
        """What was left of the winner in this sitting, or in an earlier one: called best, or in an unfinished final."""
        if self.simplified is not None:
            return self.simplified
        best = self.archive.run_by_id(self.run.id).best
        planned = [one.planned for one in self.archive.unfinished(self.run.id)]
        numbers = [one.number for one in planned if one.purpose is Purpose.FINAL]
        for number in [*numbers, *([best] if best is not None else [])]:
            candidate = self.archive.candidate(self.run.id, number)
            if candidate.proposer == SIMPLIFY:
                return Simplified(number=number, original=candidate.parents[0])
        return None


class CarefulSimplifier(Simplifier):
    """A simplifier that is at its end where it fails, so that the run is not; see `Simplifier`.

    Args:
        source: the program.
        entry: its entry.
        objection: why a program is not worth trying.
        guard: tells a person of a failure.
    """

    def __init__(self, source: str, entry: str, objection: Callable[[str], str | None], guard: Guard) -> None:
        super().__init__(source, entry, objection)
        self._guard = guard

    def next(self) -> str | None:
        """A smaller program; None when there is none left, or after a failure."""
        return None if self._guard.failed else self._guard.call(super().next, None)

    def tell(self, kept: bool) -> None:
        """Say whether the last program is as good."""
        inner = super().tell
        self._guard.call(lambda: inner(kept), None)


def new_run(archive: Archive, problem_name: str, config: Config) -> RunRecord:
    """Create a run in the archive: its settings, its secret, its seed.

    Raises:
        ConfigError: the secret's file or the device cannot be used.
        ProblemError: unknown problem or unusable workload.
    """
    problem = load_problem(problem_name, config["workload"])
    check_device(problem, config["device"])
    settings: dict[str, Any] = dict(config.values)
    del settings["db"], settings["secret_file"]
    desks.prepare(archive, settings, problem)
    if settings["workload"] != config["workload"]:
        problem = load_problem(problem_name, settings["workload"])
    secret = _secret(config["secret_file"])
    if settings["replay"] is not None and config["secret_file"] is None:
        secret = archive.secret(archive.run(settings["replay"]).id)
    name = settings.pop("name")
    stamp = datetime.now(tz=UTC).strftime("%Y%m%d-%H%M%S")
    if settings["seed"] is None:
        settings["seed"] = SystemRandom().randrange(2**31)
    settings["workers"] = 1 if settings["pool"] == "serial" else settings["workers"] or default_workers(problem)
    if all(settings[key] is None for key in SEARCH_LIMITS):
        settings["time"] = config.budget.seconds
    if settings["workload"] not in NAMED and Path(settings["workload"]).exists():
        settings["workload"] = str(Path(settings["workload"]).resolve())
    settings["problem"] = settled_name(problem_name)
    return archive.create_run(
        NewRun(
            name=name or f"{problem.declaration.name.replace(':', '-')}-{stamp}",
            problem=problem.declaration.name,
            digest=problem.digest,
            config=settings,
            secret=secret,
        )
    )


def check_device(problem: Problem, device: str) -> None:
    """Refuse to search where nothing can be timed.

    Raises:
        ConfigError: kernels are searched for by their time on a GPU, and there is none, or it is not wanted.
        EvaluatorError: torch or Triton is not installed.
    """
    facts = problem.declaration
    if not facts.kernel:
        return
    if device == "cpu" or not visible_gpus():
        raise ConfigError(
            f"problem {facts.name} is scored by time on a GPU, and "
            + ("--device cpu does without one" if device == "cpu" else "none is visible here")
            + f"\nhint: without a GPU, evolve score {facts.name} FILE checks that a kernel is right and compiles it"
        )
    require_kernel_libraries()


def default_workers(problem: Problem) -> int:
    """One for each processor; for kernels on GPUs as many recorders as keep these busy."""
    gpus = visible_gpus() if problem.declaration.kernel else 0
    cpus = len(usable_cpus())
    return max(1, min(cpus - gpus, RECORDERS_FOR_GPU * gpus)) if gpus else cpus


@contextmanager
def open_session(
    archive: Archive,
    run: RunRecord,
    observer: Observer,
    *,
    changes: Mapping[str, Any] | None = None,
    make_desk: Callable[[Evolution], Desk] | None = None,
    lazy_pool: bool = False,
) -> Iterator[Session]:
    """Open a run with a pool of workers and everything told that the archive remembers.

    Args:
        archive: the archive, writable.
        run: which run.
        observer: shows what happens.
        changes: settings that differ from the run's own (budget, pool, workers).
        make_desk: makes where programs are written; default what the run's settings say. It is closed at the end.
        lazy_pool: start workers only when something is to be judged.

    Raises:
        ConfigError: the device is not there.
        ProblemError: the workloads are not those that the run began with.
    """
    settings = complete({**run.config, **(changes or {})})
    problem = load_problem(settings["problem"], settings["workload"])
    check_device(problem, settings["device"])
    if problem.digest != run.digest:
        raise ProblemError(
            f"run {run.name} was measured on workload set {run.digest}, this version or file gives "
            f"{problem.digest}; their scores do not compare\nhint: begin a new run, or restore the trace file"
        )
    evolution = Evolution(
        problem,
        make_steering(settings),
        seed=settings["seed"],
        known=lambda digest: archive.has_digest(run.id, digest),
        block_size=settings["block_size"],
        attempts=desks.ATTEMPTS[settings["proposer"]],
        parts=make_parts(settings),
    )
    tuner = make_tuner(settings, problem.declaration.entry)
    if tuner is not None:
        guard = Guard("the tuner", "the run goes on and it may know less", observer.say)
        evolution.teach(guard.around(tuner.learn, None), guard.around(tuner.rival_of, None))
    spec = WorkerSpec(
        problem=settings["problem"],
        workload=settings["workload"],
        secret=archive.secret(run.id),
        clock=settings["clock"],
        require_sandbox=settings["require_sandbox"],
        device=settings["device"],
        gpus=gpus_for(problem, settings["device"]),
    )
    before = archive.run_by_id(run.id)
    lost = archive.abandon_calls(run.id)
    if lost:
        charged = archive.run_by_id(run.id).tokens - before.tokens
        observer.say(
            f"{lost} requests were under way when this run's driver died; they may have been billed, so they are "
            f"charged with what was set aside for them, {charged:,} tokens"
        )
    with ExitStack() as stack:
        # The desk first: a key that is missing should not wait for workers.
        if make_desk is not None:
            desk = make_desk(evolution)
        else:
            desk = desks.make_desk(settings, archive, run, evolution, tuner, observer.say)
        stack.callback(desk.close)
        slots = 1 if settings["pool"] == "serial" else slots_of(settings["workers"], spec.gpus)
        pool: EvaluationPool
        if lazy_pool:
            pool = LazyPool(lambda: make_pool(spec, settings["pool"], settings["workers"]), slots)
        else:
            pool = make_pool(spec, settings["pool"], settings["workers"])
        stack.callback(pool.close)
        runner = Runner(
            archive,
            run.id,
            evolution,
            Workshop(desk=desk, pool=pool),
            budget=budget_of(settings),
            observer=observer,
            clock=time.monotonic,
        )
        for note in archive.notes(run.id):
            evolution.note(note)
        runner.replay()
        yield Session(archive=archive, run=run, problem=problem, evolution=evolution, runner=runner, say=observer.say)


def make_pool(spec: WorkerSpec, kind: str, workers: int) -> EvaluationPool:
    """A serial pool, or one of Ray workers."""
    if kind == "serial":
        return SerialPool(spec, cpu=usable_cpus()[-1])
    # Imported here: Ray takes most of a second, which a serial run and --help must not pay.
    try:
        from evaluators.pool import RayPool  # noqa: PLC0415
    except ImportError as error:
        raise PoolError(f"Ray cannot be imported: {error}\nhint: pip install ray, or use --pool serial") from error

    return RayPool(spec, workers=workers)


def _secret(file: str | None) -> bytes:
    if file is None:
        return draw_secret()
    try:
        secret = bytes.fromhex(Path(file).read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot read a secret from {file}: {error}\nhint: the file holds 64 hexadecimal digits"
        ) from error
    if len(secret) != SECRET_BYTES:
        raise ConfigError(
            f"the secret in {file} has {len(secret)} bytes, not {SECRET_BYTES}\n"
            "hint: the file holds 64 hexadecimal digits"
        )
    return secret
