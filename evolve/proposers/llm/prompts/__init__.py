"""What language models, agents and people are told: templates in ``*.md.j2``, filled from a `Brief`.

May import: `evolve.brief`, reports, evaluators, jinja2. Names: `Kind`, `Prompt`, `propose_prompt`, `retry_prompt`,
`insights_prompt`, `task_text`, `order_text`. The hidden split cannot appear: a `Brief` holds nothing of it.
"""

from __future__ import annotations

from evolve.proposers.llm.prompts.prompt import (
    Kind,
    Prompt,
    insights_prompt,
    order_text,
    propose_prompt,
    retry_prompt,
    task_text,
)

__all__ = ["Kind", "Prompt", "insights_prompt", "order_text", "propose_prompt", "retry_prompt", "task_text"]
