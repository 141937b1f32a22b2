"""What a candidate of a language model will probably cost, before the first was asked for."""

from __future__ import annotations

from db.records import Usage
from evaluators.problem import Problem
from evolve.brief import Brief, Portrait
from evolve.briefing import make_task
from evolve.proposers.llm.models import Model
from evolve.proposers.llm.prompts import Kind, propose_prompt

BYTES_PER_TOKEN = 3.5
"""English and Python give three to four bytes a token in the vocabularies of the large vendors."""

ANSWER_BYTES = 3_000
"""An edit with two or three blocks; models that reason write several times that."""


def candidate_cost(problem: Problem, model: Model) -> str:
    """One line on the size and price of one request, measured on the prompt that the seeds would give."""
    seeds = [
        Portrait(number=number, title=seed.name, note=seed.summary, source=seed.source, train=None)
        for number, seed in enumerate(problem.seeds)
    ]
    brief = Brief(task=make_task(problem), parent=seeds[0], inspirations=tuple(seeds[1:5]))
    prompt = propose_prompt(brief, Kind.EDIT)
    size = len(prompt.system.encode()) + len(prompt.user.encode())
    usage = Usage(prompt_tokens=round(size / BYTES_PER_TOKEN), completion_tokens=round(ANSWER_BYTES / BYTES_PER_TOKEN))
    price = "its price is unknown" if model.price is None else f"about ${model.price.cost(usage):.4f}"
    return (
        f"{model.name}: a request reads about {usage.prompt_tokens:,} tokens and an answer without reasoning has about "
        f"{usage.completion_tokens:,}: {price}"
    )
