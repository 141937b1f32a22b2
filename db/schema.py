"""The archive's tables.

A candidate is known by ``(run, number)``; an evaluation by its id. Whatever would have to be counted over a
growing table (candidates of a run, the next sequence, outcomes) is a counter in a row of its own.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.columns import CLUSTERED, Exact, GuestText, State, UtcDateTime
from db.records import CallState, NoteKind, OrderState, Purpose, RunStatus
from evaluators.model import Outcome, Split

APPLICATION = "evolve"
VERSION = 4

METADATA = MetaData()

schema_version = Table(
    "schema_version",
    METADATA,
    Column("application", String(32), primary_key=True),
    Column("version", Integer, nullable=False),
)

runs = Table(
    "runs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("problem", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("config", JSON, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("status", State(RunStatus), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("finished", UtcDateTime),
    Column("elapsed_seconds", Exact, nullable=False, default=0.0),
    Column("candidates", Integer, nullable=False, default=0),
    Column("recorded", Integer, nullable=False, default=0),
    Column("duplicates", Integer, nullable=False, default=0),
    Column("unusable", Integer, nullable=False, default=0),
    Column("best_number", Integer),
    Column("best_split", State(Split)),
    Column("calls", Integer, nullable=False, server_default=text("0")),
    Column("tokens", Integer, nullable=False, server_default=text("0")),
    Column("cost", Exact, nullable=False, server_default=text("0.0")),
    Column("tickets", Integer, nullable=False, server_default=text("0")),
    Column("played_workloads", Integer, nullable=False, server_default=text("0")),
    Column("played_seconds", Exact, nullable=False, server_default=text("0.0")),
    Column("spared_workloads", Integer, nullable=False, server_default=text("0")),
    Column("spared_seconds", Exact, nullable=False, server_default=text("0.0")),
)

programs = Table(
    "programs",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("source", Text, nullable=False),
)

candidates = Table(
    "candidates",
    METADATA,
    Column("run_id", ForeignKey(runs.c.id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False),
    Column("program", ForeignKey(programs.c.digest), nullable=False),
    Column("proposer", GuestText, nullable=False),
    Column("operator", GuestText, nullable=False),
    Column("note", GuestText, nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("ticket", Integer),
    Column("arm", JSON(none_as_null=True)),
    Column("refused", JSON(none_as_null=True)),
    Column("tokens", Integer, nullable=False, server_default=text("0")),
    Column("cost", Exact, nullable=False, server_default=text("0.0")),
    UniqueConstraint("run_id", "digest"),
    **CLUSTERED,
)


def _of_candidate(number: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["run_id", number], [candidates.c.run_id, candidates.c.number])


lineage = Table(
    "lineage",
    METADATA,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("child", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("parent", Integer, nullable=False),
    _of_candidate("child"),
    _of_candidate("parent"),
    Index("lineage_by_parent", "run_id", "parent", "child"),
    **CLUSTERED,
)

hosts = Table(
    "hosts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("facts", JSON, nullable=False),
)

evaluations = Table(
    "evaluations",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("purpose", State(Purpose), nullable=False),
    Column("split", State(Split), nullable=False),
    Column("block", Integer, nullable=False),
    Column("planned", UtcDateTime, nullable=False),
    Column("sequence", Integer),
    Column("recorded", UtcDateTime),
    Column("outcome", State(Outcome)),
    Column("score", Exact),
    Column("stderr", Exact),
    Column("low", Exact),
    Column("high", Exact),
    Column("seconds", Exact),
    Column("digest", Text),
    Column("host_id", ForeignKey(hosts.c.id)),
    Column("reason", GuestText),
    Column("log", GuestText),
    Column("spared", Integer, nullable=False, server_default=text("0")),
    _of_candidate("number"),
    UniqueConstraint("run_id", "sequence"),
    Index("evaluations_by_candidate", "run_id", "number"),
)

samples = Table(
    "samples",
    METADATA,
    Column("evaluation_id", ForeignKey(evaluations.c.id), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("workload", Text, nullable=False),
    Column("stratum", Text, nullable=False, server_default=""),
    Column("objective", Exact, nullable=False),
    Column("baseline", Exact, nullable=False),
    Column("reference", Exact, nullable=False),
    Column("ceiling", Exact, nullable=False),
    Column("share", Exact, nullable=False),
    Column("stderr", Exact, nullable=False),
    Column("metrics", JSON, nullable=False),
    **CLUSTERED,
)

metrics = Table(
    "metrics",
    METADATA,
    Column("evaluation_id", ForeignKey(evaluations.c.id), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Exact, nullable=False),
    **CLUSTERED,
)

standings = Table(
    "standings",
    METADATA,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("split", State(Split), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("mean", Exact, nullable=False),
    Column("stderr", Exact, nullable=False),
    Column("n", Integer, nullable=False),
    Column("low", Exact, nullable=False),
    Column("high", Exact, nullable=False),
    _of_candidate("number"),
    **CLUSTERED,
)
_board = (standings.c.run_id, standings.c.split)
Index("standings_by_low", *_board, standings.c.low.desc(), standings.c.number)
Index("standings_by_mean", *_board, standings.c.mean.desc(), standings.c.number)


arms = Table(
    "arms",
    METADATA,
    Column("run_id", ForeignKey(runs.c.id), primary_key=True),
    Column("proposer", GuestText, primary_key=True),
    Column("operator", GuestText, primary_key=True),
    Column("model", GuestText, primary_key=True),
    Column("selector", GuestText, primary_key=True),
    Column("pulls", Integer, nullable=False),
    Column("in_flight", Integer, nullable=False),
    Column("candidates", Integer, nullable=False),
    Column("ok", Integer, nullable=False),
    Column("improved", Integer, nullable=False),
    Column("weight", Exact, nullable=False),
    Column("reward", Exact, nullable=False),
    Column("cost", Exact, nullable=False),
    Column("seconds", Exact, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("usd", Exact, nullable=False),
    Column("index", Exact, nullable=False),
    **CLUSTERED,
)

outcome_counts = Table(
    "outcome_counts",
    METADATA,
    Column("run_id", ForeignKey(runs.c.id), primary_key=True),
    Column("purpose", State(Purpose), primary_key=True),
    Column("outcome", State(Outcome), primary_key=True),
    Column("total", Integer, nullable=False),
    **CLUSTERED,
)

texts = Table(
    "texts",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("text", GuestText, nullable=False),
)

calls = Table(
    "calls",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey(runs.c.id), nullable=False),
    Column("ticket", Integer),
    Column("purpose", GuestText, nullable=False),
    Column("model", GuestText, nullable=False),
    Column("held_tokens", Integer, nullable=False),
    Column("held_cost", Exact),
    Column("begun", UtcDateTime, nullable=False),
    Column("state", State(CallState), nullable=False),
    Column("ended", UtcDateTime),
    Column("answer", ForeignKey(texts.c.id)),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("cached_tokens", Integer),
    Column("estimated", Boolean),
    Column("cost", Exact),
    Column("finish", GuestText),
    Column("error", GuestText),
)
Index("calls_by_run", calls.c.run_id, calls.c.id)
Index("calls_by_ticket", calls.c.run_id, calls.c.ticket, calls.c.id)
_under_way = calls.c.ended.is_(None)
Index("calls_under_way", calls.c.run_id, sqlite_where=_under_way, postgresql_where=_under_way)

# A conversation of many turns repeats all that was said: a message is a few bytes here, its text lies once in `texts`.
messages = Table(
    "messages",
    METADATA,
    Column("call_id", ForeignKey(calls.c.id), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("role", GuestText, nullable=False),
    Column("text_id", ForeignKey(texts.c.id), nullable=False),
    **CLUSTERED,
)

notes = Table(
    "notes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey(runs.c.id), nullable=False),
    Column("kind", State(NoteKind), nullable=False),
    Column("text", GuestText, nullable=False),
    Column("author", GuestText, nullable=False),
    Column("number", Integer),
    Column("created", UtcDateTime, nullable=False),
    _of_candidate("number"),
)
Index("notes_by_run", notes.c.run_id, notes.c.id)
Index("notes_by_kind", notes.c.run_id, notes.c.kind, notes.c.id)

# Not clustered: SQLite would then look for the open ones by walking through all of the run's.
orders = Table(
    "orders",
    METADATA,
    Column("run_id", Integer, primary_key=True, autoincrement=False),
    Column("ticket", Integer, primary_key=True, autoincrement=False),
    Column("asker", GuestText, nullable=False),
    Column("parent", Integer, nullable=False),
    Column("inspirations", JSON, nullable=False),
    Column("issued", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),
    Column("state", State(OrderState), nullable=False),
    Column("number", Integer),
    _of_candidate("parent"),
    _of_candidate("number"),
)
Index("orders_by_state", orders.c.run_id, orders.c.state, orders.c.ticket)
