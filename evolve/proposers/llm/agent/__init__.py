"""Agentic mode: a model tries programs out and looks things up before it hands one in.

May import: `evolve.brief`, `evolve.desk`, `evolve.proposal`, its neighbours in `evolve.proposers.llm`, db, reports,
evaluators. Names: `Agent` (an `Author`), `AgentLimits`, `Trials`, `TrialsOverError`, `Library`, `ArchiveLibrary`.
"""

from evolve.proposers.llm.agent.author import Agent
from evolve.proposers.llm.agent.library import ArchiveLibrary, Library
from evolve.proposers.llm.agent.limits import AgentLimits
from evolve.proposers.llm.agent.trials import Trials, TrialsOverError

__all__ = ["Agent", "AgentLimits", "ArchiveLibrary", "Library", "Trials", "TrialsOverError"]
