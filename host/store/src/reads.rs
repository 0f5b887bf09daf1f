//! Reading what is committed, beside the writer.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use longhouse_core::{AgentName, Change, CommitNumber, RunId, RunRecord, StoredTask, TaskId};
use rusqlite::Connection;

use crate::rows::{changes, commits, events, runs, tasks};
use crate::{
    CommitFilter, CommitRecord, EventFilter, StoreError, StoredEvent, TaskFilter, TaskRecord, database,
};

/// Connections kept open between reads; more are opened while more are needed at once.
const KEPT: usize = 4;

/// Read-only connections to the database. Calls block for as long as a short query takes.
#[derive(Debug)]
pub struct Reads {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only this agent's.
    pub agent: Option<AgentName>,
    /// Only those begun before this one.
    pub before: Option<RunId>,
    /// At most so many.
    pub limit: u32,
}

impl Reads {
    pub(crate) const fn new(database: PathBuf) -> Self {
        Self { database, idle: Mutex::new(Vec::new()) }
    }

    /// The record of a run, if it is a job or has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub fn run(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.with(|connection| runs::find(connection, id))
    }

    /// Records of runs, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.with(|connection| runs::newest(connection, filter.agent.as_ref(), filter.before, filter.limit))
    }

    /// Everything that is kept of a task.
    ///
    /// # Errors
    /// When the database fails.
    pub fn task(&self, id: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        self.with(|connection| tasks::find(connection, id))
    }

    /// The same of several, in the order asked for; those that do not exist are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn task_records(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError> {
        self.with(|connection| {
            let records = ids.iter().map(|id| tasks::find(connection, *id));
            records.filter_map(Result::transpose).collect()
        })
    }

    /// Tasks, in the order they were made.
    ///
    /// # Errors
    /// When the database fails.
    pub fn tasks(&self, filter: &TaskFilter) -> Result<Vec<StoredTask>, StoreError> {
        self.with(|connection| tasks::list(connection, filter))
    }

    /// Events, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<StoredEvent>, StoreError> {
        self.with(|connection| events::list(connection, filter))
    }

    /// A commit, wherever it stands.
    ///
    /// # Errors
    /// When the database fails.
    pub fn commit(&self, number: CommitNumber) -> Result<Option<CommitRecord>, StoreError> {
        self.with(|connection| commits::find(connection, number))
    }

    /// What a commit does, in order: `limit` changes at most, from the `from`th on, counted from 0.
    ///
    /// # Errors
    /// When the database fails.
    pub fn changes(&self, number: CommitNumber, from: u32, limit: u32) -> Result<Vec<Change>, StoreError> {
        self.with(|connection| changes::list(connection, number, from, limit))
    }

    /// Commits that were published, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn commits(&self, filter: &CommitFilter) -> Result<Vec<CommitRecord>, StoreError> {
        self.with(|connection| commits::newest(connection, filter))
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => database::open_reader(&self.database)?,
        };
        let result = read(&connection)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(result)
    }
}
