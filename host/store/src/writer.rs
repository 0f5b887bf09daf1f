//! The thread that owns the only connection that writes.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use longhouse_core::{BootNumber, Event, Row, State, Timestamp};
use rusqlite::{Connection, TransactionBehavior};

use crate::load::{Opening, load};
use crate::{StoreError, database, rows};

/// A checkpoint is due after so many rows: about 4 MB of WAL, half the size at which readers slow down.
const CHECKPOINT_ROWS: usize = 1_000;

/// How long the writer must have had nothing to do before it also empties the WAL file.
const IDLE: Duration = Duration::from_secs(5);

/// Work for the writer.
pub(crate) enum Work {
    /// Make these durable in one transaction.
    Write { rows: Vec<Row>, events: Vec<Event> },
    /// Drop the connection, open the database again, and rebuild the state from it.
    Reopen(Opening, Timestamp),
}

/// What came of a piece of work.
pub(crate) enum Done {
    Written(Result<(), StoreError>),
    Reopened(Box<Result<(State, BootNumber), StoreError>>),
}

/// The writer's mailbox. Dropping it lets the thread finish what it has and end.
pub(crate) struct Writer {
    work: Sender<Work>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Opens the database, loads the state, and starts the thread, which hands each result to `done`.
    pub(crate) fn start(
        database: &Path,
        opening: Opening,
        now: Timestamp,
        done: impl FnMut(Done) + Send + 'static,
    ) -> Result<(Self, State, BootNumber), StoreError> {
        let mut connection = database::open_writer(database)?;
        let (state, boot) = load(&mut connection, opening, now)?;
        let (work, inbox) = channel();
        let mut owner =
            Owner { database: database.to_owned(), connection: Some(connection), unsaved: 0, done };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || owner.run(&inbox))
            .map_err(StoreError::Thread)?;
        Ok((Self { work, thread }, state, boot))
    }

    /// Hands over work; `false` if the thread has ended.
    pub(crate) fn send(&self, work: Work) -> bool {
        self.work.send(work).is_ok()
    }

    /// Waits until everything handed over is done and the database is closed.
    pub(crate) fn finish(self) {
        drop(self.work);
        if self.thread.join().is_err() {
            tracing::error!("the store's writer thread had panicked");
        }
    }
}

struct Owner<F> {
    database: PathBuf,
    /// `None` after it failed, until the database is opened again.
    connection: Option<Connection>,
    /// Rows written since the last checkpoint.
    unsaved: usize,
    done: F,
}

impl<F: FnMut(Done)> Owner<F> {
    fn run(&mut self, inbox: &Receiver<Work>) {
        loop {
            match inbox.recv_timeout(IDLE) {
                Ok(Work::Write { rows, events }) => {
                    let result = self.write(&rows, &events);
                    if result.is_err() {
                        self.connection = None;
                    }
                    (self.done)(Done::Written(result));
                    self.unsaved += rows.len() + events.len();
                    if self.unsaved >= CHECKPOINT_ROWS {
                        self.checkpoint("PASSIVE");
                    }
                }
                Ok(Work::Reopen(opening, now)) => {
                    let result = self.reopen(opening, now);
                    (self.done)(Done::Reopened(Box::new(result)));
                }
                Err(RecvTimeoutError::Timeout) if self.unsaved > 0 => self.checkpoint("TRUNCATE"),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, rows: &[Row], events: &[Event]) -> Result<(), StoreError> {
        let connection = self.connection.as_mut().ok_or(rusqlite::Error::InvalidQuery)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for row in rows {
            rows::apply(&transaction, row)?;
        }
        for event in events {
            rows::events::append(&transaction, event)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn reopen(&mut self, opening: Opening, now: Timestamp) -> Result<(State, BootNumber), StoreError> {
        self.connection = None;
        let mut connection = database::open_writer(&self.database)?;
        let loaded = load(&mut connection, opening, now)?;
        self.connection = Some(connection);
        Ok(loaded)
    }

    /// Moves committed pages from the WAL into the database. A reader in the way makes it do less, which is fine.
    fn checkpoint(&mut self, mode: &str) {
        let Some(connection) = &self.connection else { return };
        match connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())) {
            Ok(()) => self.unsaved = 0,
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, mode, "checkpoint failed"),
        }
    }
}
