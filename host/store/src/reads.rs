//! Reading what is committed, beside the writer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use longhouse_core::{
    AgentName, Change, ChannelName, CommitNumber, EntryName, EventSeq, HookName, Journaled, ProjectPath,
    ProjectProgress, RunId, RunRecord, StateKey, StoredTask, Task, TaskId, TaskStatus, Timestamp, Version,
};
use rusqlite::Connection;

use crate::readers::READERS;
use crate::rows::changes::ChangeAt;
use crate::rows::denials::{DenialFilter, StoredDenial};
use crate::rows::{changes, commits, counters, denials, events, messages, runs, settings, shared, tasks};
use crate::{
    CommitFilter, CommitRecord, EventFilter, KeyFilter, MessageFilter, SharedKey, SharedValue, StoreError,
    StoredEvent, StoredMessage, TaskFilter, TaskRecord, database,
};

/// Connections kept open between reads: one for each thread that reads.
const KEPT: usize = READERS;

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

/// What happened to tasks.
#[derive(Debug)]
pub struct History {
    /// Those that have not ended, and those that were claimed meanwhile; the oldest first, without what is read of them.
    pub tasks: Vec<Task>,
    /// What happened, in order.
    pub events: Vec<StoredEvent>,
    /// The last event of all.
    pub last: EventSeq,
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

    /// Up to which event a webhook has everything; `None` if it never had any.
    ///
    /// # Errors
    /// When the database fails.
    pub fn delivered(&self, hook: &HookName) -> Result<Option<EventSeq>, StoreError> {
        self.with(|connection| counters::delivered(connection, hook))
    }

    /// Refusals for want of a right that fit, those that began last first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn denials(&self, filter: &DenialFilter) -> Result<Vec<StoredDenial>, StoreError> {
        self.with(|connection| denials::list(connection, filter))
    }

    /// Events, in order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn events(&self, filter: &EventFilter) -> Result<Vec<StoredEvent>, StoreError> {
        self.with(|connection| events::list(connection, filter))
    }

    /// What happened to tasks since a time, at most `most` events, and the tasks that it happened to or may yet: as they
    /// are at one moment.
    ///
    /// # Errors
    /// When the database fails.
    pub fn history(&self, since: Timestamp, most: u32) -> Result<History, StoreError> {
        self.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            let after = events::last_before(&transaction, since)?;
            let filter = EventFilter { after, types: vec!["task.".to_owned()], task: None, limit: most };
            Ok(History {
                tasks: tasks::of_history(&transaction, after)?,
                events: events::list(&transaction, &filter)?,
                last: EventSeq(events::last_seq(&transaction)?),
            })
        })
    }

    /// How many tasks stand where.
    ///
    /// # Errors
    /// When the database fails.
    pub fn task_counts(&self) -> Result<BTreeMap<TaskStatus, u64>, StoreError> {
        self.with(tasks::counts)
    }

    /// Messages, in the order they were sent.
    ///
    /// # Errors
    /// When the database fails.
    pub fn messages(&self, filter: &MessageFilter) -> Result<Vec<StoredMessage>, StoreError> {
        self.with(|connection| messages::list(connection, filter))
    }

    /// Who follows what, by channel.
    ///
    /// # Errors
    /// When the database fails.
    pub fn follows(&self) -> Result<Vec<(AgentName, ChannelName)>, StoreError> {
        self.with(messages::follows)
    }

    /// A value of the shared state.
    ///
    /// # Errors
    /// When the database fails.
    pub fn shared_value(&self, key: &StateKey) -> Result<Option<SharedValue>, StoreError> {
        self.with(|connection| shared::find(connection, key))
    }

    /// Keys of the shared state, in their order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn shared_keys(&self, filter: &KeyFilter) -> Result<Vec<SharedKey>, StoreError> {
        self.with(|connection| shared::list(connection, filter))
    }

    /// How far the project is, if a coordinator said so.
    ///
    /// # Errors
    /// When the database fails.
    pub fn progress(&self) -> Result<Option<ProjectProgress>, StoreError> {
        self.with(settings::progress)
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

    /// The first change, after the `n`th of commit `number`, to `path` or to a directory that it lies in, and its place in
    /// the journal: the number of its commit, and its own in that.
    ///
    /// # Errors
    /// When the database fails.
    pub fn next_change(
        &self,
        path: &ProjectPath,
        after: (CommitNumber, u32),
    ) -> Result<Option<(CommitNumber, u32, Change)>, StoreError> {
        self.with(|connection| changes::next(connection, path, after))
    }

    /// Where what once lay at `path`, and was replaced or removed there, is kept, the latest first: this version of it, or all.
    ///
    /// # Errors
    /// When the database fails.
    pub fn kept(
        &self,
        path: &ProjectPath,
        version: Option<Version>,
        limit: u32,
    ) -> Result<Vec<EntryName>, StoreError> {
        self.with(|connection| changes::kept(connection, path, version, limit))
    }

    /// The number of the last commit ever intended; 0 if there was none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn last_commit(&self) -> Result<CommitNumber, StoreError> {
        self.with(|connection| commits::last_number(connection).map(CommitNumber))
    }

    /// The commits after this one, `limit` at most, in the order of numbers.
    ///
    /// # Errors
    /// When the database fails.
    pub fn journal(&self, after: CommitNumber, limit: u32) -> Result<Vec<Journaled>, StoreError> {
        self.with(|connection| {
            let commits = commits::after(connection, after, limit)?.into_iter();
            let journaled = |(number, status)| {
                let changes = changes::list(connection, number, 0, u32::MAX)?;
                Ok(Journaled { number, status, changes })
            };
            commits.map(journaled).collect()
        })
    }

    /// What is kept in the history for changes after this one, of commits that ended before a time: which change of which commit,
    /// and its name there. `limit` at most, in the order of the journal.
    ///
    /// # Errors
    /// When the database fails.
    pub fn kept_before(
        &self,
        ended: Timestamp,
        after: ChangeAt,
        limit: u32,
    ) -> Result<Vec<(ChangeAt, EntryName)>, StoreError> {
        self.with(|connection| changes::kept_before(connection, ended, after, limit))
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
