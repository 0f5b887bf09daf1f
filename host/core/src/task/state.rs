//! Where a task stands.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{TaskBody, TaskSpec};
use crate::{AgentName, Fence, InvalidId, Placing, Session, TaskId, Timestamp, Usage};

/// Where a task stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Waits for tasks it depends on.
    Blocked,
    /// Waits for a time: not to be begun before, or to be tried again.
    Scheduled,
    /// May be claimed, once nothing holds it back.
    Pending,
    /// Somebody holds it.
    InProgress,
    /// Its work is submitted and being checked.
    Verifying,
    /// Waits for an answer, or for a decision because too many of its workers were lost.
    NeedsInput,
    /// Done.
    Completed,
    /// Given up.
    Failed,
    /// Not wanted any more.
    Cancelled,
}

impl TaskStatus {
    /// Every status, in the order of a task's life.
    pub const ALL: [Self; 9] = [
        Self::Blocked,
        Self::Scheduled,
        Self::Pending,
        Self::InProgress,
        Self::Verifying,
        Self::NeedsInput,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// As the API and the store write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Scheduled => "scheduled",
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Verifying => "verifying",
            Self::NeedsInput => "needs_input",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it never changes again, save by a retry, which is a new incarnation.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Failed | Self::Cancelled => true,
            Self::Blocked
            | Self::Scheduled
            | Self::Pending
            | Self::InProgress
            | Self::Verifying
            | Self::NeedsInput => false,
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TaskStatus {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == text);
        known.ok_or_else(|| InvalidId::new(text, "a task's status, such as pending or in_progress"))
    }
}

/// A task that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which.
    pub id: TaskId,
    /// What is asked for.
    pub spec: Arc<TaskSpec>,
    /// Who made it; `None` for the operator and the server.
    pub creator: Option<AgentName>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its place among the tasks that are ready, as it was last asked for. Follows from the rest and from the scheduler; not
    /// stored.
    pub placing: Placing,
    /// Where it stands.
    pub state: TaskState,
}

/// The proof of holding a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// Which task.
    pub task: TaskId,
    /// Under which grant.
    pub fence: Fence,
}

/// What of a task changes as it is worked on. Stored whole with each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// In a word.
    pub status: TaskStatus,
    /// Counted from 1; a retry after the end is a new one.
    pub incarnation: u32,
    /// Failures in this incarnation.
    pub attempt: u32,
    /// Workers lost in this incarnation.
    pub lost_count: u32,
    /// While `Scheduled`: until when.
    pub waits_until: Option<Timestamp>,
    /// While held, by a worker or for its check.
    pub lease: Option<Lease>,
    /// The last fence it was granted under.
    pub fence: Option<Fence>,
    /// Its holder is to stop.
    pub cancel_requested: bool,
    /// Whoever held it before and should hold it again.
    pub preferred: Option<Preferred>,
    /// How far it is, as its worker says.
    pub progress: Option<Progress>,
    /// What was used for it, in all incarnations.
    #[serde(default, skip_serializing_if = "Usage::is_nothing")]
    pub usage: Usage,
    /// What of that was used when it got its budget.
    #[serde(default, skip_serializing_if = "Usage::is_nothing")]
    pub budget_from: Usage,
    /// When any of this last changed.
    pub updated_at: Timestamp,
}

impl Task {
    /// What of its budget is spent, in words, if anything is.
    pub fn spent(&self) -> Option<String> {
        self.spec.budget.as_ref()?.spent_by(&self.state.usage.since(&self.state.budget_from))
    }
}

/// For whom a task is kept, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferred {
    /// Who held it before.
    pub agent: AgentName,
    /// From then on anybody may have it.
    pub until: Timestamp,
}

/// A time-limited hold on a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it; while it is being verified, who will hold it again if that fails.
    pub holder: AgentName,
    /// Proves that it is this grant.
    pub fence: Fence,
    /// The session that claimed it, if it said so: any call of that session renews the lease.
    pub session: Option<Session>,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// How long each renewal lasts, in milliseconds.
    pub ttl_ms: u64,
    /// Ends then unless renewed before.
    pub expires_at: Timestamp,
    /// Ends then whatever is done.
    pub hard_end: Timestamp,
    /// When its worker last told something about it, and not just anything.
    pub progressed_at: Timestamp,
}

/// How far a task is, as its worker says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub current_step: u32,
    /// Steps in all; 0 if not known.
    pub total_steps: u32,
    /// What is being done.
    #[serde(default)]
    pub message: Arc<str>,
}

/// A text that somebody left with a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What it is.
    pub kind: NoteKind,
    /// Who left it; `None` for the server.
    pub agent: Option<AgentName>,
    /// When.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// The text.
    pub text: Arc<str>,
}

/// What a note on a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// What was achieved.
    Result,
    /// Why an attempt failed.
    Failure,
    /// What the next worker has to know.
    HandOff,
    /// What somebody has to decide.
    Question,
    /// What was decided.
    Answer,
    /// Why it was cancelled.
    Cancellation,
    /// What its check said.
    Check,
}

impl NoteKind {
    /// As the API and the store write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Failure => "failure",
            Self::HandOff => "hand_off",
            Self::Question => "question",
            Self::Answer => "answer",
            Self::Cancellation => "cancellation",
            Self::Check => "check",
        }
    }
}

impl FromStr for NoteKind {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let all = [
            Self::Result,
            Self::Failure,
            Self::HandOff,
            Self::Question,
            Self::Answer,
            Self::Cancellation,
            Self::Check,
        ];
        all.into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| InvalidId::new(text, "a note's kind"))
    }
}

/// Everything that is stored of a task, save its notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTask {
    /// Where it stands and what decides about it.
    pub task: Task,
    /// What is read of it.
    pub body: TaskBody,
}

impl TaskState {
    /// A task that was just made and waits for nothing.
    pub const fn new(now: Timestamp) -> Self {
        Self {
            status: TaskStatus::Pending,
            incarnation: 1,
            attempt: 0,
            lost_count: 0,
            waits_until: None,
            lease: None,
            fence: None,
            cancel_requested: false,
            preferred: None,
            progress: None,
            usage: Usage::NOTHING,
            budget_from: Usage::NOTHING,
            updated_at: now,
        }
    }
}

impl Lease {
    /// Until when a renewal at `now` lasts. Never earlier than before, never past the hard end.
    pub fn renewed_until(&self, now: Timestamp) -> Timestamp {
        now.plus_millis(self.ttl_ms).max(self.expires_at).min(self.hard_end)
    }

    /// Whether more than half of its time has passed without a renewal.
    pub const fn is_suspect(&self, now: Timestamp) -> bool {
        now.as_millis() >= self.expires_at.as_millis().saturating_sub(self.ttl_ms / 2)
    }
}
