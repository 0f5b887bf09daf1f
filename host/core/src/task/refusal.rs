//! Why something about a task was not done.

use super::{InvalidTask, TaskStatus};
use crate::{AgentName, Fence, TaskId};

/// Why a [`TaskCommand`](super::TaskCommand) was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskRefusal {
    /// No task has this id.
    #[error("there is no task {0}")]
    NoSuchTask(TaskId),
    /// The caller does not hold the task under this fence, or not any more.
    #[error("fence {fence} of {task} is not in force: the task is {status}{}; stop working on it and claim again", held_by(.holder))]
    StaleLease {
        /// Which task.
        task: TaskId,
        /// What was presented.
        fence: Fence,
        /// Where the task stands.
        status: TaskStatus,
        /// Who holds it now, under which fence.
        holder: Option<(AgentName, Fence)>,
    },
    /// Somebody holds it.
    #[error("{task} is held by {holder}; claim another")]
    AlreadyClaimed {
        /// Which task.
        task: TaskId,
        /// By whom.
        holder: AgentName,
    },
    /// What was asked is not possible where the task stands.
    #[error("{task} is {status}; that needs a task that is {needs}")]
    WrongStatus {
        /// Which task.
        task: TaskId,
        /// Where it stands.
        status: TaskStatus,
        /// Where it would have to stand.
        needs: &'static str,
    },
    /// It cannot be claimed by this agent.
    #[error("{task} cannot be claimed by {agent}: {why}")]
    NotForYou {
        /// Which task.
        task: TaskId,
        /// Who asked.
        agent: AgentName,
        /// What keeps it.
        why: &'static str,
    },
    /// Only certain agents may do this to it.
    #[error("only {who} may do this to {task}")]
    NotYours {
        /// Which task.
        task: TaskId,
        /// Who may.
        who: &'static str,
    },
    /// Tasks would wait for each other.
    #[error("{0} would wait for itself")]
    Cycle(Node),
    /// A sibling outside the list.
    #[error("task {index} depends on task {parent} of {len} in the list")]
    NoSuchSibling {
        /// Which of the list, from 0.
        index: usize,
        /// What it depends on.
        parent: usize,
        /// How long the list is.
        len: usize,
    },
    /// What it depends on ended badly, and it asks to be cancelled then.
    #[error(
        "{parent} is {status}, so a task that depends on it would be cancelled; retry {parent}, or say on_parent_failure: run or ignore"
    )]
    ParentEnded {
        /// What it depends on.
        parent: TaskId,
        /// How that ended.
        status: TaskStatus,
    },
    /// The list is empty or too long.
    #[error("{0} tasks in one call; from 1 to 1000 are possible")]
    Count(usize),
    /// A claim that makes no sense.
    #[error("{field} is {value}; it must be from {least} to {most}")]
    ClaimOutOfRange {
        /// Which field.
        field: &'static str,
        /// What was given.
        value: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// The deadline is over before it begins.
    #[error("the deadline has passed")]
    DeadlinePassed,
    /// It was retried by somebody else in the meantime.
    #[error("{0} was retried in the meantime; look at it again")]
    Retried(TaskId),
    /// What was asked for cannot be.
    #[error(transparent)]
    Invalid(#[from] InvalidTask),
}

/// A task, or one that is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// One that exists.
    Task(TaskId),
    /// One of the list, by its place from 0.
    New(usize),
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Task(id) => id.fmt(f),
            Self::New(index) => write!(f, "task {index} of the list"),
        }
    }
}

fn held_by(holder: &Option<(AgentName, Fence)>) -> String {
    holder.as_ref().map(|(agent, fence)| format!(", held by {agent} under fence {fence}")).unwrap_or_default()
}
