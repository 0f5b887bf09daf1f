//! The database, as something that writes batches and can be read back: without threads, clocks or waiting.

use std::path::{Path, PathBuf};

use longhouse_core::{Event, Profiles, Row, State, Timestamp};
use rusqlite::{Connection, TransactionBehavior};

use crate::load::{Again, Opening, load, look};
use crate::{StoreError, StoredEvent, database, rows};

/// A checkpoint is due after so many rows: about 4 MB of WAL, half the size at which readers slow down.
const CHECKPOINT_ROWS: usize = 1_000;

/// The only connection that writes a project's database.
#[derive(Debug)]
pub struct Ledger {
    database: PathBuf,
    /// Open from the first to the last: whichever closes last takes away the WAL's index, without which nothing can be
    /// read, and which a full disk has no room to make again.
    connection: Option<Connection>,
    /// Nothing more is written by a connection that failed.
    has_failed: bool,
    /// Rows written since the last checkpoint.
    unsaved: usize,
}

impl Ledger {
    /// Opens the database as a process that begins to serve the project, and rebuilds the state from it.
    ///
    /// # Errors
    /// When the database cannot be opened, checked, migrated or written.
    pub fn open(database: &Path, profiles: Profiles, now: Timestamp) -> Result<(Self, State), StoreError> {
        let mut ledger =
            Self { database: database.to_owned(), connection: None, has_failed: false, unsaved: 0 };
        let state = ledger.reopen(Opening::Boot(profiles), now)?;
        Ok((ledger, state))
    }

    /// Makes a batch durable, whole or not at all, and returns its events as they are kept. After an error it may be
    /// either, and nothing more is written.
    ///
    /// # Errors
    /// When the database fails.
    pub fn write(&mut self, rows: &[Row], events: &[Event]) -> Result<Vec<StoredEvent>, StoreError> {
        let result = self.try_write(rows, events);
        self.has_failed |= result.is_err();
        self.unsaved += rows.len() + events.len();
        result
    }

    fn try_write(&mut self, rows: &[Row], events: &[Event]) -> Result<Vec<StoredEvent>, StoreError> {
        let connection = self.connection.as_mut().filter(|_| !self.has_failed);
        let connection = connection.ok_or(rusqlite::Error::InvalidQuery)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for row in rows {
            rows::apply(&transaction, row)?;
        }
        let events = events.iter().map(StoredEvent::of).collect::<Result<Vec<_>, _>>()?;
        for event in &events {
            rows::events::append(&transaction, event)?;
        }
        transaction.commit()?;
        Ok(events)
    }

    /// Opens the database again, rebuilds the state from it, and drops the connection there was.
    ///
    /// What the WAL holds may have been written by a process that failed to sync it; on Linux the next sync does not
    /// make up for that, nor tell of it. So nothing is added to such a WAL: all of it is moved into the database, which
    /// is synced, and the WAL begins anew.
    pub(crate) fn reopen(&mut self, opening: Opening, now: Timestamp) -> Result<State, StoreError> {
        // Only a transaction that could not even be rolled back would be in the way.
        self.connection.take_if(|connection| !connection.is_autocommit());
        let mut connection = database::open_writer(&self.database)?;
        let is_known_to_fail = matches!(opening, Opening::Again(_));
        let state = load(&mut connection, opening, now)?;
        match checkpoint(&connection, "TRUNCATE")? {
            Checkpoint::Whole => self.unsaved = 0,
            Checkpoint::InUse if is_known_to_fail => return Err(StoreError::WalInUse),
            Checkpoint::InUse => {
                tracing::warn!("another program reads the database: its WAL could not be emptied")
            }
        }
        self.connection = Some(connection);
        self.has_failed = false;
        Ok(state)
    }

    /// The state as it is stored, for whoever asks how things stand while nothing can be written.
    pub(crate) fn look(&self, again: Again, now: Timestamp) -> Result<State, StoreError> {
        look(&mut database::open_reader(&self.database)?, again, now)
    }

    /// Moves committed pages from the WAL into the database if there are many.
    pub(crate) fn checkpoint_if_due(&mut self) {
        if self.unsaved >= CHECKPOINT_ROWS {
            self.checkpoint("PASSIVE");
        }
    }

    /// Moves all of them, and empties the WAL file.
    pub(crate) fn checkpoint_all(&mut self) {
        if self.unsaved > 0 {
            self.checkpoint("TRUNCATE");
        }
    }

    /// A reader in the way makes it do less, which is fine.
    fn checkpoint(&mut self, mode: &str) {
        let Some(connection) = self.connection.as_ref().filter(|_| !self.has_failed) else { return };
        match checkpoint(connection, mode) {
            Ok(Checkpoint::Whole | Checkpoint::InUse) => self.unsaved = 0,
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, mode, "checkpoint failed"),
        }
    }
}

/// How far a checkpoint came.
enum Checkpoint {
    Whole,
    /// A reader was in the way.
    InUse,
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Checkpoint, StoreError> {
    let in_use = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))?;
    Ok(if in_use { Checkpoint::InUse } else { Checkpoint::Whole })
}
