"""The author that works with tools."""

from __future__ import annotations

from evolve.desk import Written
from evolve.proposers.llm.agent.conversation import Conversation
from evolve.proposers.llm.agent.library import Library
from evolve.proposers.llm.agent.limits import AgentLimits, Meter
from evolve.proposers.llm.agent.toolbox import Toolbox
from evolve.proposers.llm.agent.trials import Parents, Trials, Workbench
from evolve.proposers.llm.chat import Chat
from evolve.proposers.llm.writer import Job


class Agent:
    """Has a model try programs out and look things up, over several turns, before it hands one in.

    Implements `evolve.proposers.llm.writer.Author`. A model whose server takes no tools, or that writes its calls as
    text, is asked to call them in plain text; that is remembered for its later jobs.

    Args:
        chat: talks to the servers; every request goes through it.
        library: what may be looked up of the run.
        trials: where programs are tried out, on one smoke workload.
        limits: bounds of each conversation.
    """

    def __init__(self, chat: Chat, *, library: Library, trials: Trials, limits: AgentLimits | None = None) -> None:
        self._chat = chat
        self._library = library
        self._trials = trials
        self._limits = limits or AgentLimits()
        self._parents = Parents(trials)
        # By base URL and name: models that call tools in plain text, and those that did by the protocol's own means.
        self._plain: set[tuple[str | None, str]] = set()
        self._calling: set[tuple[str | None, str]] = set()

    async def write(self, job: Job) -> Written:
        """See `Author`. Where its bounds are reached, the best program that was tried out is handed in.

        Raises:
            ProviderError: no request to this model can succeed, and there is nothing to show.
            SpentError: the budget leaves no room for another request, and there is nothing to show.
            Exception: a failure of trials or library, as it was raised.
        """
        meter = Meter(self._limits)
        bench = Workbench(self._trials, self._parents, parent=job.brief.parent.source, meter=meter)
        toolbox = Toolbox(job, library=self._library, bench=bench, meter=meter)
        model = job.arm.model
        key = (model.base_url, model.name)
        plainly = key in self._plain or not self._chat.takes_tools(model)
        conversation = Conversation(
            self._chat, job, toolbox=toolbox, bench=bench, plainly=plainly, sure=key in self._calling
        )
        try:
            return await conversation.run()
        finally:
            if conversation.called:
                self._calling.add(key)
            if conversation.to_be_plain:
                self._plain.add(key)
