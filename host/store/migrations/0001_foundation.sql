-- Counters that outlive a process: `boot`, how often the project was opened.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
    name         TEXT PRIMARY KEY,
    role         TEXT NOT NULL,
    profile      TEXT NOT NULL,
    capabilities TEXT NOT NULL  -- JSON array of strings
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    hash       BLOB PRIMARY KEY,  -- SHA-256 of the token's text
    agent      TEXT NOT NULL REFERENCES agents (name),
    expires_at INTEGER            -- ms since the epoch
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY,  -- boot << 32 | number
    agent         TEXT NOT NULL,        -- not a reference: the record outlives its agent
    argv          TEXT NOT NULL,        -- JSON array of strings
    cwd           TEXT NOT NULL,
    started_at    INTEGER NOT NULL,     -- ms since the epoch
    outcome       TEXT,                 -- NULL while it runs
    exit_code     INTEGER,
    reason        TEXT,
    ended_at      INTEGER,
    wall_us       INTEGER,
    cpu_us        INTEGER,
    peak_memory   INTEGER,
    bytes_read    INTEGER,
    bytes_written INTEGER,
    files_opened  INTEGER,
    output        BLOB,                 -- the bytes of all chunks
    chunks        TEXT,                 -- JSON array of [stream, length]; stream 1 is stdout, 2 stderr
    truncated     INTEGER
) STRICT;

CREATE INDEX runs_running ON runs (id) WHERE outcome IS NULL;
CREATE INDEX runs_by_agent ON runs (agent, id);

CREATE TABLE events (
    seq   INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    type  TEXT NOT NULL,
    agent TEXT,
    run   INTEGER,
    data  TEXT NOT NULL  -- JSON object
) STRICT;
