"""``evolve run --dry-run``: what a run would do, with nothing begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evolve.cli.common import caps_text, show
from evolve.config import Config
from evolve.settings import SETTINGS

if TYPE_CHECKING:
    import click

    from evaluators.problem import Problem


def dry_run(ctx: click.Context, problem_name: str, config: Config) -> int:
    """Print settings, seeds, budget, what models would cost, and what the sandbox enforces here."""
    from evaluators.registry import load_problem
    from evolve.doctor import sandbox_layers

    problem = load_problem(problem_name, config["workload"])
    lines = ["settings:"]
    lines += [f"  {key} = {_shown(key, config)}  ({config.origin[key]})" for key in SETTINGS]
    lines += ["", f"problem {problem.declaration.name}: {problem.declaration.title}", "seeds:"]
    lines += [f"  {seed.name}: {seed.summary}" for seed in problem.seeds]
    if problem.declaration.claim:
        lines += ["", f"{problem.declaration.claim}; {problem.declaration.cost}"]
    budget = config.budget
    lines += ["", f"workload set: {problem.digest}"]
    lines += [
        f"budget: {budget.candidates or 'any number of'} candidates, {budget.evaluations or 'any number of'} "
        f"evaluations, {budget.seconds or 'any'} s"
    ]
    lines += [*_cost(problem, config), "", "sandbox on this machine:"]
    lines += [f"  {layer}: {state}" for layer, state in sandbox_layers().items()]
    show(ctx, "\n".join(lines))
    return 0


def _cost(problem: Problem, config: Config) -> list[str]:
    """What models may cost at most, and about what one candidate costs."""
    if config["proposer"] != "llm":
        return ["cost: none (no model is called)"]
    from evolve.config import environment
    from evolve.proposers.llm.estimates import candidate_cost
    from evolve.proposers.llm.setup import prepare_models

    settings = dict(config.values)
    models = prepare_models(settings, environment())
    lines = [f"models: {caps_text(settings) or 'no cap of tokens or cost'}"]
    return lines + [f"  {candidate_cost(problem, model)}" for model in models]


def _shown(key: str, config: Config) -> str:
    value = config[key]
    return "unset" if value is None else f"{value:g} s" if key == "time" else str(value)
