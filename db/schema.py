"""The archive's tables.

A candidate is known by ``(run, number)``; an evaluation by its id. Whatever would have to be counted over a
growing table (candidates of a run, the next sequence, outcomes) is a counter in a row of its own.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
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
)

from db.columns import CLUSTERED, Exact, GuestText, State, UtcDateTime
from db.records import Purpose, RunStatus
from evaluators.model import Outcome, Split

APPLICATION = "evolve"
VERSION = 2

UPGRADES = {1: ("ALTER TABLE samples ADD COLUMN stratum TEXT NOT NULL DEFAULT ''",)}
"""What makes the next version of an older one, in SQLite; rows that are there already must stay right."""

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


outcome_counts = Table(
    "outcome_counts",
    METADATA,
    Column("run_id", ForeignKey(runs.c.id), primary_key=True),
    Column("purpose", State(Purpose), primary_key=True),
    Column("outcome", State(Outcome), primary_key=True),
    Column("total", Integer, nullable=False),
    **CLUSTERED,
)
