-- What was refused for want of a right: a row for each agent, run, act and rule; of calls, for each day.
CREATE TABLE denials (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    agent    TEXT NOT NULL,
    run      INTEGER,          -- NULL of calls
    act      TEXT NOT NULL,
    rule     TEXT NOT NULL,
    day      INTEGER NOT NULL, -- since 1970, UTC
    count    INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL,
    named    TEXT NOT NULL     -- JSON: the first paths, commands or requests that differ
) STRICT;
CREATE UNIQUE INDEX denials_kind ON denials (agent, ifnull(run, -1), act, rule, day);
CREATE INDEX denials_run ON denials (run) WHERE run IS NOT NULL;
