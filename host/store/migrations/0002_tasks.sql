CREATE TABLE tasks (
    id          INTEGER PRIMARY KEY,
    key         TEXT,              -- unique, if it has one
    creator     TEXT,              -- NULL for the operator and the server
    created_at  INTEGER NOT NULL,  -- ms since the epoch
    status      TEXT NOT NULL,
    holder      TEXT,              -- while somebody holds it
    state       TEXT NOT NULL      -- JSON: status and holder again, and whatever else changes
) STRICT;

-- Loads what has not ended, and lists by status.
CREATE INDEX tasks_by_status ON tasks (status, id);
CREATE UNIQUE INDEX tasks_by_key ON tasks (key) WHERE key IS NOT NULL;

-- What hardly ever changes, apart from what does with every claim.
CREATE TABLE task_texts (
    task        INTEGER PRIMARY KEY REFERENCES tasks (id),
    spec        TEXT NOT NULL,     -- JSON
    title       TEXT NOT NULL,
    description TEXT NOT NULL
) STRICT;

CREATE TABLE task_notes (
    id    INTEGER PRIMARY KEY,
    task  INTEGER NOT NULL REFERENCES tasks (id),
    kind  TEXT NOT NULL,
    agent TEXT,                    -- NULL for the server
    at_ms INTEGER NOT NULL,
    text  TEXT NOT NULL
) STRICT;

CREATE INDEX task_notes_by_task ON task_notes (task, id);

-- Rules that are set as a whole: `queue`.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL            -- JSON
) STRICT, WITHOUT ROWID;

-- Answers to requests with an idempotency key.
CREATE TABLE replies (
    agent TEXT NOT NULL REFERENCES agents (name),
    key   TEXT NOT NULL,
    hash  INTEGER NOT NULL,        -- 64 bits of the request, as a signed number
    reply TEXT NOT NULL,           -- JSON
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (agent, key)
) STRICT, WITHOUT ROWID;

ALTER TABLE events ADD COLUMN task INTEGER;
CREATE INDEX events_by_task ON events (task, seq) WHERE task IS NOT NULL;
