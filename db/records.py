"""What the archive hands out and takes in: frozen values, no SQL behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from evaluators.model import Evaluation, Outcome, Split
from evaluators.statistics import Estimate

ArmKey = tuple[str, str, str, str]
"""What tells one arm of a search from another: proposer, operator, model, selector; "" for a part that it lacks."""


class ArchiveError(RuntimeError):
    """The archive cannot do what was asked; the message says what, where and how to mend it."""


class RunStatus(StrEnum):
    """Where a run stands. A killed run is still ``RUNNING`` in the archive until it is resumed."""

    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


class Purpose(StrEnum):
    """Why a candidate is evaluated."""

    SEARCH = "search"
    CARRY = "carry"
    CONFIRM = "confirm"
    FINAL = "final"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What is fixed when a run is created; ``config`` is JSON, ``secret`` seeds every workload."""

    name: str
    problem: str
    digest: str
    config: Mapping[str, object]
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the archive knows it (without its secret).

    ``elapsed_seconds`` is the search time used so far over all sittings; ``finished`` is when it last stopped
    running, for whatever reason; ``counts`` is how many evaluations ended in each outcome, by purpose,
    without zeros; ``candidates`` is how many were registered, and so the next candidate's number;
    ``duplicates`` and ``unusable`` count proposals that cost no evaluation; ``calls`` is how many calls of
    language models were begun, ``tokens`` and ``cost`` (US dollars) what the ended ones are charged with, a call
    of an unknown price adding nothing to ``cost``; ``played_workloads`` and ``played_seconds`` are how many workloads
    were finished and how long their evaluations took in sum, ``spared_workloads`` how many were not played because the
    candidate was out of the race, and ``spared_seconds`` what they would have taken at each evaluation's own mean,
    all of them without final measurements; ``best`` is the number of the candidate currently called best and
    ``best_split`` the split that says so.
    """

    id: int
    name: str
    problem: str
    digest: str
    config: Mapping[str, object]
    status: RunStatus
    created: datetime
    finished: datetime | None
    elapsed_seconds: float
    candidates: int
    duplicates: int
    unusable: int
    calls: int
    tokens: int
    cost: float
    played_workloads: int
    played_seconds: float
    spared_workloads: int
    spared_seconds: float
    best: int | None
    best_split: Split | None
    counts: Mapping[Purpose, Mapping[Outcome, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VainPulls:
    """Pulls of one arm of which no candidate came: how often, and the tokens and US dollars that they took in all."""

    arm: ArmKey
    times: int
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCandidate:
    """A program about to be evaluated.

    Args:
        number: position in the run, counted from 0 without gaps.
        source: the program text.
        digest: digest of its normalised syntax tree; unique within a run.
        proposer: who wrote it, such as ``"seed"`` or ``"operators"``.
        operator: how, such as ``"crossover:forecast"``; for a seed, its name.
        parents: numbers of the candidates it was made from, the main parent first.
        note: free text such as a one-line description of the change.
        ticket: the draft that it came of, by which its calls of language models are found; None if it had none.
        arm: the arm that was pulled for it; None where the search had no arms.
        refused: what was pulled in vain since the candidate before it.
        tokens: what language models read and wrote for it.
        cost: what that cost in US dollars, as far as the price is known.
    """

    number: int
    source: str
    digest: str
    proposer: str
    operator: str
    parents: tuple[int, ...] = ()
    note: str = ""
    ticket: int | None = None
    arm: ArmKey | None = None
    refused: tuple[VainPulls, ...] = ()
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRecord:
    """A candidate as the archive knows it; see `NewCandidate`."""

    run_id: int
    number: int
    source: str
    digest: str
    proposer: str
    operator: str
    parents: tuple[int, ...]
    note: str
    created: datetime
    ticket: int | None = None
    arm: ArmKey | None = None
    refused: tuple[VainPulls, ...] = ()
    tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRecord:
    """What a search knows of one of its arms.

    Args:
        arm: which one.
        pulls: how often it was pulled, those in vain and those under way included.
        in_flight: pulls under way.
        candidates: its candidates that were judged.
        ok: of these, the ones that got a score.
        improved: of these, the ones whose lower bound lies above their parent's and a usual candidate's.
        weight: discounted number of these.
        reward: their discounted mean reward, 0 to 1.
        cost: discounted mean share of the budget that a pull takes, 0 to 1.
        seconds: wall time of judging them, in sum.
        tokens: what language models read and wrote for it, in sum.
        usd: what that cost in US dollars, as far as prices are known.
        index: what it is chosen by, the highest first; infinite for one that must be tried.
    """

    arm: ArmKey
    pulls: int
    in_flight: int
    candidates: int
    ok: int
    improved: int
    weight: float
    reward: float
    cost: float
    seconds: float
    tokens: int
    usd: float
    index: float

    @property
    def name(self) -> str:
        """The parts of its key, with the empty ones left out."""
        return " ".join(part for part in self.arm if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An evaluation to be done: which candidate, on which block, and why."""

    number: int
    purpose: Purpose
    split: Split
    block: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRecord:
    """An evaluation as the archive knows it: planned, and once recorded with its verdict.

    ``sequence`` is the order of recording within the run, from 0; None while it is in flight.
    """

    id: int
    run_id: int
    planned: Planned
    sequence: int | None
    evaluation: Evaluation | None
    recorded: datetime | None


class CallState(StrEnum):
    """What became of a call of a language model. ``SENT`` is under way; ``LOST`` was, when its driver died."""

    SENT = "sent"
    ANSWERED = "answered"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that a call used.

    Args:
        prompt_tokens: tokens read, those from a cache included.
        completion_tokens: tokens written, reasoning included.
        reasoning_tokens: of those written, the ones that the answer does not show.
        cached_tokens: of those read, the ones from the provider's cache.
        estimated: whether we had to guess, because the server said nothing.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    estimated: bool = False

    @property
    def tokens(self) -> int:
        """Tokens that count against a budget."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation with a language model: ``role`` is system, user, assistant or tool."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """A request about to be sent to a language model.

    Args:
        ticket: the draft that it is made for; None for calls that serve no candidate.
        purpose: what it is for, such as ``"edit"``, ``"repair"`` or ``"insights"``.
        model: the model's name as asked for.
        messages: the whole conversation, secrets scrubbed; every text is stored once.
        held_tokens: upper bound of the tokens that it may use; what it is charged with if its driver dies.
        held_cost: upper bound of its cost in US dollars; None where the price is unknown.
    """

    ticket: int | None
    purpose: str
    model: str
    messages: tuple[Message, ...]
    held_tokens: int
    held_cost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What came of a call.

    Args:
        state: ``ANSWERED`` or ``FAILED``; ``LOST`` only as the archive's own word on a call whose driver died,
            which is charged with what it held (all of it shown as ``completion_tokens``, estimated).
        answer: the text that came back, secrets scrubbed; tool calls are in it as text; may be cut.
        usage: tokens used; zeros where nothing was billed.
        cost: in US dollars; None where the price is unknown.
        finish: the server's word for why it stopped, such as ``"stop"`` or ``"length"``; empty if it said none.
        error: why it failed, in one line; empty if it was answered.
    """

    state: CallState
    answer: str
    usage: Usage
    cost: float | None
    finish: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A call as the archive knows it; ``result`` is None while it is under way."""

    id: int
    run_id: int
    call: NewCall
    result: CallResult | None
    begun: datetime
    ended: datetime | None


class NoteKind(StrEnum):
    """What a note of a run says."""

    HYPOTHESIS = "hypothesis"
    INSIGHTS = "insights"
    PARADIGM = "paradigm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that later prompts should know: by whom (``"llm:MODEL"``, an asker's name), and on which candidate."""

    kind: NoteKind
    text: str
    author: str
    number: int | None = None


class OrderState(StrEnum):
    """Where an order stands. An open order whose time is over is given to the next who asks."""

    OPEN = "open"
    TOLD = "told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request for one candidate, handed to somebody outside.

    Args:
        ticket: its number in the run.
        asker: who has it now.
        parent: the candidate to build on.
        inspirations: further candidates shown, worst first.
        issued: when it was handed out last.
        expires: when it may be handed to somebody else.
        times: how often it was handed out.
        state: open, or told.
        number: the candidate that came of it; None while open, or where what came was refused.
    """

    ticket: int
    asker: str
    parent: int
    inspirations: tuple[int, ...]
    issued: datetime
    expires: datetime
    times: int = 1
    state: OrderState = OrderState.OPEN
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One row of a leaderboard: a candidate's pooled estimates by split.

    ``estimates`` maps a split to ``Estimate`` (mean, stderr, n, low, high in score points), ``stratified``
    over the workloads of all its ok evaluations there; ``metrics`` are means over its latest ok train
    evaluation; ``outcome`` is that of its first evaluation, None while that is in flight.
    """

    number: int
    proposer: str
    operator: str
    parents: tuple[int, ...]
    outcome: Outcome | None
    estimates: Mapping[Split, Estimate]
    metrics: Mapping[str, float]
    note: str
