"""The conversation with language models that a candidate came of."""

from __future__ import annotations

from collections.abc import Sequence

from db.archive import Archive
from db.records import CallRecord, CallState, Message, RunRecord
from reports.text import ReportError, count, one_line, tag, visible


def conversation(archive: Archive, run: RunRecord, number: int) -> str:
    """Every request that was made for a candidate, with its answer, tokens and cost; finished text.

    What a request repeats of the one before is left out.

    Raises:
        ReportError: no language model was asked for it.
        ArchiveError: there is no such candidate.
    """
    candidate = archive.candidate(run.id, number)
    calls = archive.calls(run.id, ticket=candidate.ticket) if candidate.ticket is not None else []
    if not calls:
        raise ReportError(
            f"candidate {tag(number)} came of no language model ({candidate.proposer}, {candidate.operator}); "
            f"evolve show {number} says how it was made"
        )
    parts: list[str] = []
    before: Sequence[Message] = ()
    for call in calls:
        parts += [_heading(call), *_said(call, before)]
        before = call.call.messages
    return "\n\n".join(parts) + "\n"


def _heading(call: CallRecord) -> str:
    result = call.result
    facts = [f"call {call.id}", call.call.purpose, one_line(call.call.model)]
    if result is None:
        facts.append("under way")
    else:
        usage = result.usage
        about = "about " if usage.estimated else ""
        facts.append(result.state.value)
        facts.append(f"{about}{count(usage.prompt_tokens)} tokens read, {count(usage.completion_tokens)} written")
        if usage.reasoning_tokens:
            facts.append(f"{count(usage.reasoning_tokens)} of them reasoning")
        if result.cost is not None:
            facts.append(f"${result.cost:.4f}")
    return f"━━ {' · '.join(facts)} ━━"


def _said(call: CallRecord, before: Sequence[Message]) -> list[str]:
    messages = call.call.messages
    shared = 0
    while shared < min(len(messages), len(before)) and messages[shared] == before[shared]:
        shared += 1
    texts = [f"── {message.role}\n{visible(message.text)}" for message in messages[shared:]]
    result = call.result
    if result is not None and result.answer:
        texts.append(f"── answer\n{visible(result.answer)}")
    if result is not None and result.state is not CallState.ANSWERED:
        texts.append(f"── {result.state.value}: {one_line(result.error) or 'its driver died'}")
    return texts
