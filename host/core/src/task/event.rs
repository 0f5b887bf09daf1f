//! What happened to tasks.

use std::sync::Arc;

use serde::Serialize;

use super::{Progress, TaskStatus};
use crate::{AgentName, Chosen, Fence, Group, PolicyVersion, Rank, TaskId, Timestamp};

/// Why a task was handed out, and not another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grounds {
    /// The scheduler; `None` is the host.
    #[serde(rename = "policy", skip_serializing_if = "Option::is_none")]
    pub by: Option<PolicyVersion>,
    /// How it came to be this one.
    pub chosen: Chosen,
    /// Its place in the order: lower comes earlier.
    pub rank: Rank,
    /// What it is counted with.
    #[serde(skip_serializing_if = "is_none")]
    pub group: Group,
}

fn is_none(group: &Group) -> bool {
    group.as_str().is_empty()
}

/// Something that happened to a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TaskEvent {
    /// It exists now.
    Created { title: Arc<str>, status: TaskStatus },
    /// What it waited for came: it may be claimed.
    Ready {},
    /// Somebody holds it.
    Claimed {
        fence: Fence,
        attempt: u32,
        waited_ms: u64,
        #[serde(flatten)]
        choice: Grounds,
    },
    /// Its worker told how far it is.
    Progressed(Progress),
    /// Its work is done and being checked.
    Submitted { fence: Fence },
    /// It is done.
    Completed { fence: Fence },
    /// Its check failed.
    CheckFailed { fence: Fence, status: TaskStatus },
    /// An attempt failed; tried again then, if it is.
    Failed { attempt: u32, reason: Arc<str>, again_at_ms: Option<Timestamp> },
    /// Its holder gave it back.
    Released { fence: Fence, note: Arc<str> },
    /// Its holder needs an answer.
    Asked { question: Arc<str> },
    /// The answer came.
    Answered { text: Arc<str> },
    /// It stopped until somebody decides.
    NeedsInput { reason: Arc<str> },
    /// Its holder is to stop.
    CancelRequested { reason: Arc<str> },
    /// It is not wanted any more.
    Cancelled { reason: Arc<str> },
    /// It begins again.
    Retried { incarnation: u32 },
    /// Its lease ended without a word from its holder.
    Lost { holder: AgentName, fence: Fence, lost_count: u32 },
    /// What is asked for changed.
    Patched {},
}

impl TaskEvent {
    /// The type as the API writes it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "task.created",
            Self::Ready {} => "task.ready",
            Self::Claimed { .. } => "task.claimed",
            Self::Progressed(_) => "task.progressed",
            Self::Submitted { .. } => "task.submitted",
            Self::Completed { .. } => "task.completed",
            Self::CheckFailed { .. } => "task.check_failed",
            Self::Failed { .. } => "task.failed",
            Self::Released { .. } => "task.released",
            Self::Asked { .. } => "task.asked",
            Self::Answered { .. } => "task.answered",
            Self::NeedsInput { .. } => "task.needs_input",
            Self::CancelRequested { .. } => "task.cancel_requested",
            Self::Cancelled { .. } => "task.cancelled",
            Self::Retried { .. } => "task.retried",
            Self::Lost { .. } => "task.lost",
            Self::Patched {} => "task.patched",
        }
    }
}

/// An event and the task it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AboutTask {
    /// Which.
    pub task: TaskId,
    /// What happened to it.
    pub event: TaskEvent,
}
