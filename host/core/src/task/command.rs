//! What is asked of tasks.

use std::sync::Arc;

use super::{Hold, Priority, Progress, StoredTask, TaskBody, TaskSpec, Verify};
use crate::{AgentName, Budget, Capability, Label, PathPattern, Session, TaskId, Timestamp};

/// What can be asked about tasks. [`step`](crate::step) has the table of what each does in each status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskCommand {
    /// Make these. Workers and up.
    Create(Vec<NewTask>),
    /// Give the caller tasks to work on. Workers and up.
    Claim(ClaimRequest),
    /// Keep a lease. Its holder.
    Renew(Hold),
    /// Tell how far it is, and keep the lease. Its holder.
    Progress(Hold, Progress),
    /// The work is done: complete it, or have it checked. Its holder.
    Complete(Completion),
    /// An attempt failed. Its holder.
    Fail(Failure),
    /// Give it back, with a note for the next worker. Its holder, or coordinators.
    Release(Hold, Arc<str>),
    /// Give it back until somebody answered. Its holder.
    Ask(Hold, Arc<str>),
    /// Answer, so that it goes on. Its creator, or coordinators.
    Answer(TaskId, Arc<str>),
    /// It is not wanted any more. Its creator, or coordinators.
    Cancel(TaskId, Arc<str>),
    /// Begin again what failed or was cancelled; with the task as it is stored. Its creator, or coordinators.
    Retry(Box<StoredTask>),
    /// Change what is asked for. Its creator or holder, or coordinators.
    Patch(TaskId, Box<TaskPatch>),
    /// What a check said. The server.
    Checked(Verdict),
    /// Where these stand, those of them that have not ended. Everybody.
    Find(Vec<TaskId>),
    /// Why a task runs or does not. Everybody.
    Why(TaskId),
    /// Take back grants that could not be delivered. The server.
    TakeBack(AgentName, Vec<Hold>),
}

/// A task to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// What is read of it.
    pub body: TaskBody,
    /// What decides about it, normalised; its `depends_on` is what `parents` says.
    pub spec: TaskSpec,
    /// What it depends on.
    pub parents: Vec<Parent>,
}

/// A task that another depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// One that exists.
    Existing(TaskId),
    /// One that is made by the same call: its place in the list, from 0.
    Sibling(usize),
}

/// Which tasks an agent wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// The next suitable ones, at most so many.
    Next(u32),
    /// This one.
    Task(TaskId),
}

/// A claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Which tasks.
    pub want: Want,
    /// How long each renewal of the lease lasts, in milliseconds.
    pub ttl_ms: u64,
    /// How long the lease lasts at most, in milliseconds.
    pub max_lease_ms: u64,
    /// The claiming session.
    pub session: Option<Session>,
    /// Until when to wait for a task; `None` not to wait.
    pub wait_until: Option<Timestamp>,
}

impl ClaimRequest {
    /// How long a lease lasts unless the claim says otherwise: 10 min.
    pub const DEFAULT_TTL_MS: u64 = 10 * 60 * 1_000;
    /// How long a lease lasts at most unless the claim says otherwise: 4 h.
    pub const DEFAULT_MAX_LEASE_MS: u64 = 4 * 3_600 * 1_000;
    /// The most tasks in one claim.
    pub const MAX_WANT: u32 = 100;

    /// The next task, at once or not at all.
    pub const fn next() -> Self {
        Self {
            want: Want::Next(1),
            ttl_ms: Self::DEFAULT_TTL_MS,
            max_lease_ms: Self::DEFAULT_MAX_LEASE_MS,
            session: None,
            wait_until: None,
        }
    }
}

/// The end of a task's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Which, and the proof.
    pub hold: Hold,
    /// What was achieved.
    pub result: Arc<str>,
    /// What to claim in the same call.
    pub next: Option<ClaimRequest>,
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which, and the proof.
    pub hold: Hold,
    /// Why.
    pub reason: Arc<str>,
    /// Whether another attempt makes sense.
    pub again: Again,
}

/// Whether a failed task is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// While it has attempts left.
    IfAttemptsAreLeft,
    /// No: it cannot succeed.
    Never,
}

/// What the check of a task said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which task, under which grant.
    pub hold: Hold,
    /// Whether it passed.
    pub passed: bool,
    /// What it printed, or why it could not be run.
    pub output: Arc<str>,
}

/// Changes to a task; what is `None` stays. See [`TaskSpec`] for what each means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskPatch {
    /// Its body, whole.
    pub body: Option<TaskBody>,
    pub priority: Option<Priority>,
    pub capabilities: Option<Box<[Capability]>>,
    /// `Some(None)` for anybody.
    pub assigned_to: Option<Option<AgentName>>,
    pub touches: Option<Vec<PathPattern>>,
    pub labels: Option<Box<[Label]>>,
    pub max_attempts: Option<u32>,
    pub not_before: Option<Option<Timestamp>>,
    pub deadline: Option<Option<Timestamp>>,
    /// Never by the task's holder.
    pub verify: Option<Option<Verify>>,
    /// Never by the task's holder.
    pub depends_on: Option<Vec<TaskId>>,
    /// Never by the task's holder. `Some(None)` for none.
    pub budget: Option<Option<Budget>>,
}

impl TaskPatch {
    /// Whether it changes what a task's holder is measured by.
    pub const fn changes_terms(&self) -> bool {
        self.verify.is_some() || self.depends_on.is_some() || self.budget.is_some()
    }
}
