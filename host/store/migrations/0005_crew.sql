-- How agents stand that were here at least once.
CREATE TABLE standings (
    agent    TEXT PRIMARY KEY REFERENCES agents (name),
    standing TEXT NOT NULL         -- JSON
) STRICT, WITHOUT ROWID;

-- Providers of models that are to be left alone for a while.
CREATE TABLE cooldowns (
    provider TEXT PRIMARY KEY,
    cooldown TEXT NOT NULL         -- JSON
) STRICT, WITHOUT ROWID;

-- Finds the last task that an agent completed.
CREATE INDEX events_completed ON events (agent, seq) WHERE type = 'task.completed';
