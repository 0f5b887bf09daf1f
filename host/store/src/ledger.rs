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
    /// `None` after it failed, until the database is opened again.
    connection: Option<Connection>,
    /// Rows written since the last checkpoint.
    unsaved: usize,
}

impl Ledger {
    /// Opens the database as a process that begins to serve the project, and rebuilds the state from it.
    ///
    /// # Errors
    /// When the database cannot be opened, checked, migrated or written.
    pub fn open(database: &Path, profiles: Profiles, now: Timestamp) -> Result<(Self, State), StoreError> {
        let mut ledger = Self { database: database.to_owned(), connection: None, unsaved: 0 };
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
        if result.is_err() {
            self.connection = None;
        }
        self.unsaved += rows.len() + events.len();
        result
    }

    fn try_write(&mut self, rows: &[Row], events: &[Event]) -> Result<Vec<StoredEvent>, StoreError> {
        let connection = self.connection.as_mut().ok_or(rusqlite::Error::InvalidQuery)?;
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

    /// Drops the connection, opens the database again, and rebuilds the state from it.
    pub(crate) fn reopen(&mut self, opening: Opening, now: Timestamp) -> Result<State, StoreError> {
        self.connection = None;
        let mut connection = database::open_writer(&self.database)?;
        let state = load(&mut connection, opening, now)?;
        self.connection = Some(connection);
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
        let Some(connection) = &self.connection else { return };
        match connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())) {
            Ok(()) => self.unsaved = 0,
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, mode, "checkpoint failed"),
        }
    }
}
