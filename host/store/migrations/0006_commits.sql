-- Changes to the project's files, from their intent on. AUTOINCREMENT, so that no number is given twice.
CREATE TABLE commits (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    status      TEXT NOT NULL,     -- intended, published, retired, aborted
    boot        INTEGER NOT NULL,  -- with `reservation`: which reservation it came from
    reservation INTEGER NOT NULL,
    agent       TEXT,              -- NULL for what the server found
    task        INTEGER,           -- with `fence`: under which lease
    fence       INTEGER,
    run         INTEGER,
    key         TEXT,              -- with `hash`: the idempotency key that it answers for
    hash        INTEGER,           -- 64 bits of the request, as a signed number
    at_ms       INTEGER NOT NULL,  -- when it was intended
    ended_ms    INTEGER,           -- when it was published or aborted
    why         TEXT,              -- JSON: why it was aborted
    changes     INTEGER NOT NULL   -- how many
) STRICT;

-- What a start has to see to.
CREATE INDEX commits_unfinished ON commits (number) WHERE status IN ('intended', 'published');
CREATE INDEX commits_by_agent ON commits (agent, number);
CREATE INDEX commits_by_task ON commits (task, number) WHERE task IS NOT NULL;

-- What each does, path by path, in order: to do it again or take it back after a crash, and for the journal.
CREATE TABLE commit_changes (
    number     INTEGER NOT NULL REFERENCES commits (number),
    n          INTEGER NOT NULL,   -- from 0, in the order in which they are done
    path       TEXT NOT NULL,
    operation  TEXT NOT NULL,      -- put, remove, move, found
    staged     TEXT,               -- of put: where it was staged
    moved_from TEXT,               -- of move: which path
    base       BLOB,               -- kind and hash; NULL for nothing
    new        BLOB,               -- the same
    history    TEXT,               -- where the base is kept
    PRIMARY KEY (number, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX commit_changes_by_path ON commit_changes (path, number);
CREATE INDEX commit_changes_by_origin ON commit_changes (moved_from, number) WHERE moved_from IS NOT NULL;

-- Agents that lost a lease and may not know, and which.
CREATE TABLE unaware (
    agent TEXT PRIMARY KEY,
    task  INTEGER NOT NULL,
    fence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
