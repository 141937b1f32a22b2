"""What makes the next version of an older archive, in SQLite; rows that are there already must stay right.

Written out and never changed afterwards: an upgrade must give what the tables were in the version it leads to,
whatever later versions make of them.
"""

from __future__ import annotations

_STRATA = ("ALTER TABLE samples ADD COLUMN stratum TEXT NOT NULL DEFAULT ''",)

_CALLS_NOTES_ORDERS = (
    "ALTER TABLE runs ADD COLUMN calls INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN cost DOUBLE_BLOB NOT NULL DEFAULT 0.0",
    "UPDATE runs SET cost = 0.0",  # the default of a column that was added reads as the integer 0
    "ALTER TABLE runs ADD COLUMN tickets INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE candidates ADD COLUMN ticket INTEGER",
    """
    CREATE TABLE texts (
        id INTEGER NOT NULL PRIMARY KEY,
        digest VARCHAR(64) NOT NULL UNIQUE,
        text TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE calls (
        id INTEGER NOT NULL PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES runs (id),
        ticket INTEGER,
        purpose TEXT NOT NULL,
        model TEXT NOT NULL,
        held_tokens INTEGER NOT NULL,
        held_cost DOUBLE_BLOB,
        begun DATETIME NOT NULL,
        state VARCHAR(16) NOT NULL,
        ended DATETIME,
        answer INTEGER REFERENCES texts (id),
        prompt_tokens INTEGER,
        completion_tokens INTEGER,
        reasoning_tokens INTEGER,
        cached_tokens INTEGER,
        estimated BOOLEAN,
        cost DOUBLE_BLOB,
        finish TEXT,
        error TEXT
    )
    """,
    "CREATE INDEX calls_by_run ON calls (run_id, id)",
    "CREATE INDEX calls_by_ticket ON calls (run_id, ticket, id)",
    "CREATE INDEX calls_under_way ON calls (run_id) WHERE ended IS NULL",
    """
    CREATE TABLE messages (
        call_id INTEGER NOT NULL REFERENCES calls (id),
        position INTEGER NOT NULL,
        role TEXT NOT NULL,
        text_id INTEGER NOT NULL REFERENCES texts (id),
        PRIMARY KEY (call_id, position)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE notes (
        id INTEGER NOT NULL PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES runs (id),
        kind VARCHAR(16) NOT NULL,
        text TEXT NOT NULL,
        author TEXT NOT NULL,
        number INTEGER,
        created DATETIME NOT NULL,
        FOREIGN KEY (run_id, number) REFERENCES candidates (run_id, number)
    )
    """,
    "CREATE INDEX notes_by_run ON notes (run_id, id)",
    "CREATE INDEX notes_by_kind ON notes (run_id, kind, id)",
    """
    CREATE TABLE orders (
        run_id INTEGER NOT NULL,
        ticket INTEGER NOT NULL,
        asker TEXT NOT NULL,
        parent INTEGER NOT NULL,
        inspirations JSON NOT NULL,
        issued DATETIME NOT NULL,
        expires DATETIME NOT NULL,
        times INTEGER NOT NULL,
        state VARCHAR(16) NOT NULL,
        number INTEGER,
        PRIMARY KEY (run_id, ticket),
        FOREIGN KEY (run_id, parent) REFERENCES candidates (run_id, number),
        FOREIGN KEY (run_id, number) REFERENCES candidates (run_id, number)
    )
    """,
    "CREATE INDEX orders_by_state ON orders (run_id, state, ticket)",
)

_ARMS_AND_RACING = (
    "ALTER TABLE candidates ADD COLUMN arm JSON",
    "ALTER TABLE candidates ADD COLUMN refused JSON",
    "ALTER TABLE candidates ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE candidates ADD COLUMN cost DOUBLE_BLOB NOT NULL DEFAULT 0.0",
    "UPDATE candidates SET cost = 0.0",  # for the reason given above
    "ALTER TABLE evaluations ADD COLUMN spared INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN played_workloads INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN played_seconds DOUBLE_BLOB NOT NULL DEFAULT 0.0",
    "ALTER TABLE runs ADD COLUMN spared_workloads INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE runs ADD COLUMN spared_seconds DOUBLE_BLOB NOT NULL DEFAULT 0.0",
    """
    UPDATE runs SET
        played_workloads = (
            SELECT count(*) FROM evaluations JOIN samples ON samples.evaluation_id = evaluations.id
            WHERE evaluations.run_id = runs.id AND evaluations.purpose != 'final'
        ),
        played_seconds = (
            SELECT total(seconds) FROM evaluations WHERE run_id = runs.id AND purpose != 'final'
        ),
        spared_seconds = 0.0
    """,
    """
    CREATE TABLE arms (
        run_id INTEGER NOT NULL REFERENCES runs (id),
        proposer TEXT NOT NULL,
        operator TEXT NOT NULL,
        model TEXT NOT NULL,
        selector TEXT NOT NULL,
        pulls INTEGER NOT NULL,
        in_flight INTEGER NOT NULL,
        candidates INTEGER NOT NULL,
        ok INTEGER NOT NULL,
        improved INTEGER NOT NULL,
        weight DOUBLE_BLOB NOT NULL,
        reward DOUBLE_BLOB NOT NULL,
        cost DOUBLE_BLOB NOT NULL,
        seconds DOUBLE_BLOB NOT NULL,
        tokens INTEGER NOT NULL,
        usd DOUBLE_BLOB NOT NULL,
        "index" DOUBLE_BLOB NOT NULL,
        PRIMARY KEY (run_id, proposer, operator, model, selector)
    ) WITHOUT ROWID
    """,
)

UPGRADES = {1: _STRATA, 2: _CALLS_NOTES_ORDERS, 3: _ARMS_AND_RACING}
"""Statements by the version that they start from."""
