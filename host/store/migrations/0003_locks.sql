-- Locks in force. AUTOINCREMENT, so that the highest id outlives its lock and none is given twice.
CREATE TABLE locks (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    lock TEXT NOT NULL  -- JSON
) STRICT;
