//! The thread that writes.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use longhouse_core::{Event, EventSeq, Profiles, Row, State, Timestamp};

use crate::load::{Again, Opening};
use crate::{Ledger, StoreError, StoredEvent};

/// How long the writer must have had nothing to do before it also empties the WAL file.
const IDLE: Duration = Duration::from_secs(5);

/// Work for the writer.
pub(crate) enum Work {
    /// Make these durable in one transaction.
    Write { rows: Vec<Row>, events: Vec<Event> },
    /// Drop the connection, open the database again, and rebuild the state from it.
    Reopen(Again, Timestamp),
}

/// What came of a piece of work.
pub(crate) enum Done {
    Written(Result<Vec<StoredEvent>, Unwritten>),
    Reopened(Box<Reopened>),
}

/// A batch that was not committed, as far as anybody knows.
pub(crate) struct Unwritten {
    pub(crate) error: StoreError,
    pub(crate) rows: Vec<Row>,
    /// The database has this event if the batch was committed after all.
    pub(crate) last_event: Option<EventSeq>,
}

/// What came of opening the database again.
pub(crate) enum Reopened {
    /// It can be written.
    Works(State),
    /// It cannot; the state as it is stored, and when it was read, if it can be.
    Fails(StoreError, Option<(State, Timestamp)>),
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
        profiles: Profiles,
        now: Timestamp,
        mut done: impl FnMut(Done) + Send + 'static,
    ) -> Result<(Self, State), StoreError> {
        let (mut ledger, state) = Ledger::open(database, profiles, now)?;
        let (work, inbox) = channel();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(&mut ledger, &inbox, &mut done))
            .map_err(StoreError::Thread)?;
        Ok((Self { work, thread }, state))
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

fn run(ledger: &mut Ledger, inbox: &Receiver<Work>, done: &mut impl FnMut(Done)) {
    loop {
        match inbox.recv_timeout(IDLE) {
            Ok(Work::Write { rows, events }) => {
                let written = ledger.write(&rows, &events);
                let last_event = events.last().map(|event| event.seq);
                done(Done::Written(written.map_err(|error| Unwritten { error, rows, last_event })));
                ledger.checkpoint_if_due();
            }
            Ok(Work::Reopen(again, now)) => done(Done::Reopened(Box::new(reopen(ledger, again, now)))),
            Err(RecvTimeoutError::Timeout) => ledger.checkpoint_all(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn reopen(ledger: &mut Ledger, again: Again, now: Timestamp) -> Reopened {
    match ledger.reopen(Opening::Again(again.clone()), now) {
        Ok(state) => Reopened::Works(state),
        Err(error) => Reopened::Fails(error, ledger.look(again, now).ok().map(|state| (state, now))),
    }
}
