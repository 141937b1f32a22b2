"""Every request to a model has its row: written before it is sent, finished and charged once afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from db.records import CallResult, CallState, NewCall, Usage
from evolve.proposers.llm.models import Model
from evolve.proposers.llm.reply import Reply
from evolve.proposers.llm.scrub import Scrubber
from evolve.proposers.llm.wire import BYTES_PER_TOKEN, Turn, text_of
from evolve.spending import Hold, Purse

WRITTEN_BYTES_PER_TOKEN = 4
"""Of answers, as tokenizers mostly reach."""


class Ledger(Protocol):
    """Where calls are written down."""

    def begin(self, call: NewCall) -> int:
        """Write down a call that is about to be sent; gives its number."""

    def finish(self, call_id: int, result: CallResult) -> None:
        """Write down what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a request may be charged with where its server does not say.

    Args:
        prompt_bound: the most tokens that its prompt can have.
        prompt_likely: how many it probably has.
        answer_tokens: the most that it may be answered with.
        streamed: whether the answer comes in pieces, so that we see how much there was.
    """

    prompt_bound: int
    prompt_likely: int
    answer_tokens: int
    streamed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A request under way: its row, the amount held for it and what to charge it with."""

    ledger: Ledger
    purse: Purse
    scrubber: Scrubber
    model: Model
    hold: Hold
    call_id: int
    estimate: Estimate

    def charge(self, reply: Reply) -> tuple[Usage, float | None]:
        """Tokens and US dollars for what came back: the server's figures, or else an estimate.

        The estimate is on the upper side, a byte being a token, where there is a price or where the answer was cut off;
        a whole answer of unknown price is taken at its likely size.
        """
        usage = reply.usage or self._estimated(reply)
        price = self.model.price
        return usage, None if price is None else price.cost(usage, cache_write_tokens=reply.cache_write_tokens)

    def free(self) -> tuple[Usage, float | None]:
        """The charge of a request that the server did not take on."""
        return Usage(), None if self.model.price is None else 0.0

    def close(self, reply: Reply, charged: tuple[Usage, float | None], error: str = "") -> None:
        """Finish the row and settle what was held; called exactly once."""
        usage, cost = charged
        answer = text_of(Turn(role="assistant", text=reply.text or reply.refusal, tool_calls=reply.tool_calls))
        result = CallResult(
            state=CallState.FAILED if error else CallState.ANSWERED,
            answer=self.scrubber.clean(answer),
            usage=usage,
            cost=cost,
            finish=reply.finish,
            error=self.scrubber.clean(error),
        )
        try:
            self.ledger.finish(self.call_id, result)
        finally:
            self.purse.settle(self.hold, usage.tokens, cost)

    def _estimated(self, reply: Reply) -> Usage:
        estimate = self.estimate
        prompt = estimate.prompt_bound
        if reply.over(estimate.answer_tokens) and reply.pieces <= estimate.answer_tokens:
            # The server wrote more than it was allowed to, so that what was held is no bound any more.
            answer = max(estimate.answer_tokens, reply.bytes // WRITTEN_BYTES_PER_TOKEN)
        elif reply.complete and self.model.price is None:
            prompt, answer = estimate.prompt_likely, max(reply.pieces, -(-reply.bytes // BYTES_PER_TOKEN))
        elif estimate.streamed or reply.complete:
            answer = min(reply.bytes, estimate.answer_tokens)
        else:
            # Nothing was seen of it: the server may have written all that it was allowed to.
            answer = estimate.answer_tokens
        return Usage(prompt_tokens=prompt, completion_tokens=answer, estimated=True)
