"""What requests and answers look like; the descriptions are those of the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from evolve.external.model import ASKER_PATTERN, MAX_NOTE, MAX_PARENTS, MAX_SUMMARY, NOBODY

WAIT_SECONDS = 60.0
MAX_WAIT_SECONDS = 600.0


def _storable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError("the text holds half a surrogate pair and is no Unicode") from error
    if "\x00" in text:
        raise ValueError("the text holds a null character")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Asker = Annotated[str, Field(pattern=f"^{ASKER_PATTERN}$", description="Your name: letters, digits, . _ @ -")]
Wait = Annotated[float, Field(strict=True, ge=0, le=MAX_WAIT_SECONDS, description="How long to wait, in seconds.")]
Note = Annotated[Text, Field(max_length=MAX_NOTE)]
Summary = Annotated[Text, Field(max_length=MAX_SUMMARY)]
Count = Annotated[int, Field(strict=True, ge=0, le=2**31)]


class Form(BaseModel):
    """A request; unknown fields are refused, so that a typo does not go unnoticed."""

    model_config = ConfigDict(extra="forbid")


class AskForm(Form):
    """Ask for an order."""

    asker: Asker = NOBODY
    wait_seconds: Wait = WAIT_SECONDS


class EvaluateForm(Form):
    """Hand a program in."""

    program: Text = Field(description="The whole program, at most 100,000 bytes in UTF-8.")
    ticket: Count | None = Field(default=None, description="The order that it answers; none for a program of your own.")
    asker: Asker = Field(default=NOBODY, description="Your name, the one that the order was asked for with.")
    summary: Summary = Field(default="", description="What you changed and why it should help, in one line.")
    hypothesis: Note = Field(default="", description="What you believe or found out; later orders show it to others.")
    paradigm: Summary = Field(default="", description="Name of the approach, if it is a new one.")
    parents: list[Count] = Field(
        default_factory=list,
        max_length=MAX_PARENTS,
        description="Candidates it was made of, the main one first; by default the order's parent or the best seed.",
    )
    wait_seconds: Wait = WAIT_SECONDS


class NoteForm(Form):
    """Leave a note that later orders show."""

    text: Note = Field(min_length=1, description="What others should know.")
    asker: Asker = NOBODY
    candidate: Count | None = Field(default=None, description="Which candidate it is about.")
    wait_seconds: Wait = WAIT_SECONDS


class Budget(BaseModel):
    """Limits, what is used and what is left; null means no limit."""

    evaluations: int | None
    evaluations_used: int
    evaluations_in_flight: int
    evaluations_left: int | None
    seconds: float | None
    seconds_used: float
    seconds_left: float | None


class Estimate(BaseModel):
    """A score in points (0 = baseline, 100 = reference) with its standard error and 95 % interval."""

    score: float
    stderr: float | None
    n: int
    low: float | None
    high: float | None


class Row(BaseModel):
    """Where a candidate stands."""

    number: int
    reported_by: str = Field(description="Whose score it is: our judge's, or what a task's own evaluator claims.")
    proposer: str
    operator: str
    parents: list[int]
    note: str
    outcome: str | None = Field(description="Of its first evaluation; null while that is under way.")
    train: Estimate | None
    validation: Estimate | None
    metrics: dict[str, Any]


class Ranked(Row):
    """A row of the leaderboard."""

    rank: int
    best: bool


class Portrait(Row):
    """A candidate with its program."""

    source: str


class Candidate(Portrait):
    """A candidate with its verdicts."""

    state: str = Field(description="judged, or judging while the first verdict is under way.")
    best: bool = Field(description="Whether it is called best now; that takes a duel won on validation workloads.")
    evaluations_in_flight: int
    confirmations: list[str] = Field(description="Outcomes on validation workloads.")
    evaluations: list[dict[str, Any]] = Field(description="Verdicts on train workloads, as evolve score gives them.")


class TaskAnswer(BaseModel):
    """What is asked."""

    problem: str
    title: str
    text: str = Field(description="Statement, rules and interface in one Markdown text.")
    statement: str
    interface: dict[str, Any]
    scale: dict[str, str] = Field(description="What 0 and 100 points mean.")
    metrics: list[dict[str, Any]]
    seeds: list[dict[str, Any]]
    how_to_work: str
    budget: Budget


class OrderAnswer(BaseModel):
    """An order."""

    ticket: int
    asker: str
    prompt: str = Field(description="All that you need to write the program, in Markdown.")
    parent: Portrait
    inspirations: list[Portrait]
    issued: str
    expires: str = Field(description="From then on the order may be given to somebody else; first come, first served.")
    times: int = Field(description="How often it was handed out.")
    budget: Budget


class Verdict(BaseModel):
    """The first verdict on your program."""

    candidate: int
    ticket: int | None
    state: str
    best: bool
    evaluation: dict[str, Any] = Field(
        description="As evolve score --format json gives it: outcome, reason, score, stderr, n, low, high, metrics, "
        "workloads, seconds, host."
    )


class Judging(BaseModel):
    """No verdict yet. Send the same request again to go on waiting, or look at /candidates/{number}."""

    candidate: int | None = Field(description="Its number; null while it waits for its turn.")
    ticket: int | None
    state: str


class Status(BaseModel):
    """Where the run stands."""

    run: str
    problem: str
    phase: str = Field(description="measuring the seeds, open or over.")
    budget: Budget
    candidates: int
    outcomes: dict[str, int]
    duplicates: int
    unusable: int
    best: Row | None
    open_orders: list[dict[str, Any]]


class Kept(BaseModel):
    """The note is kept."""

    kept: bool


class Fault(BaseModel):
    """Why a request was refused."""

    error: str
    hint: str
    candidate: int | None = Field(default=None, description="The one that settled the ticket or is the same program.")
