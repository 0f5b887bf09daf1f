-- The counters `message` and `state_version` hold the highest number that was ever given.
CREATE TABLE messages (
    id          INTEGER PRIMARY KEY,
    sender      TEXT NOT NULL,
    sender_gone INTEGER NOT NULL DEFAULT 0,  -- 1 once that agent was removed: whoever has its name now did not send it
    at_ms       INTEGER NOT NULL,
    thread      INTEGER NOT NULL,            -- the first message of it
    importance  TEXT NOT NULL,
    ack         INTEGER NOT NULL,            -- 1 if the sender waits for it to be acknowledged
    addressed   TEXT NOT NULL,               -- JSON array: whom its sender named
    text        TEXT NOT NULL,
    data        TEXT                         -- JSON
) STRICT;

CREATE INDEX messages_by_thread ON messages (thread, id);
CREATE INDEX messages_by_sender ON messages (sender, id);

-- The inboxes.
CREATE TABLE deliveries (
    agent    TEXT NOT NULL REFERENCES agents (name),
    message  INTEGER NOT NULL REFERENCES messages (id),
    acked_at INTEGER,                        -- ms since the epoch
    PRIMARY KEY (agent, message)
) STRICT, WITHOUT ROWID;

CREATE INDEX deliveries_by_message ON deliveries (message);
CREATE INDEX deliveries_unread ON deliveries (agent, message) WHERE acked_at IS NULL;

CREATE TABLE follows (
    agent   TEXT NOT NULL REFERENCES agents (name),
    channel TEXT NOT NULL,
    PRIMARY KEY (agent, channel)
) STRICT, WITHOUT ROWID;

CREATE TABLE shared_state (
    key     TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    value   TEXT NOT NULL,                   -- JSON
    set_by  TEXT NOT NULL,                   -- not a reference: the value outlives its agent
    at_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
