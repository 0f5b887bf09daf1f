-- What runs did to files.
ALTER TABLE runs ADD COLUMN changes TEXT; -- JSON: what became of its changes; NULL if it may make none
