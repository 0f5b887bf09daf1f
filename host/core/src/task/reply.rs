//! What is answered about tasks.

use serde::{Deserialize, Serialize};

use super::{Hold, Task, TaskStatus};
use crate::{
    AgentName, Fence, Group, Interrupt, Label, LockId, PolicyVersion, ProviderName, Rank, Spender, TaskId,
    Timestamp,
};

/// The answer to a [`TaskCommand`](super::TaskCommand).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskReply {
    /// They exist, in the order asked for.
    Created(Box<[Created]>),
    /// What the caller holds now.
    Claimed(Box<Claimed>),
    /// The lease goes on.
    Held(Held),
    /// Where it stands now.
    Stands(Stands),
    /// Those of the tasks asked about that have not ended.
    #[serde(skip)]
    Live(Vec<Task>),
    /// Why it runs or does not, most telling first.
    #[serde(skip)]
    Why(Vec<Why>),
}

/// A task that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Which.
    pub id: TaskId,
    /// Where it stands.
    pub status: TaskStatus,
    /// Whether it was there before, under the same key.
    pub existed: bool,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stands {
    /// Which.
    pub id: TaskId,
    /// Where.
    pub status: TaskStatus,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// The task that the same call ended, and where it stands now.
    pub ended: Option<Stands>,
    /// What the caller holds now.
    pub grants: Vec<Grant>,
    /// Why there is none.
    pub nothing: Option<Nothing>,
}

/// A task that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Which.
    pub task: TaskId,
    /// Proves the grant in every later call.
    pub fence: Fence,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Ends then unless renewed.
    pub expires_at: Timestamp,
    /// Ends then whatever is done.
    pub hard_end: Timestamp,
    /// What it depends on and what failed or was cancelled.
    pub failed_parents: Vec<TaskId>,
}

impl Grant {
    /// The proof of it.
    pub const fn hold(&self) -> Hold {
        Hold { task: self.task, fence: self.fence }
    }
}

/// A lease that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Of which task, under which grant.
    pub hold: Hold,
    /// Ends then unless renewed.
    pub expires_at: Timestamp,
    /// Whether its holder is to stop.
    pub cancel_requested: bool,
}

/// Why a claim found nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Nothing {
    /// No task waits to be done.
    None,
    /// Tasks wait, and none of them for this agent now.
    Blocked,
    /// The queue is paused.
    Paused,
    /// The agent holds as many tasks as it may.
    Limit {
        /// How many that is.
        limit: u32,
    },
    /// The provider of the agent's model is to be left alone for a while.
    RateLimited {
        /// Which.
        provider: ProviderName,
        /// Until when.
        until_ms: Timestamp,
    },
    /// A budget is spent.
    Budget {
        /// Whose.
        of: Spender,
        /// What of it, in words.
        spent: String,
    },
    /// The agent is to stop, and has not acknowledged that.
    Interrupted {
        /// The wish, and how it is acknowledged.
        interrupt: Interrupt,
    },
}

/// A reason why a task runs, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is at this point of its life.
    Stands(TaskStatus),
    /// It was granted to this agent under this fence.
    HeldBy(AgentName, Fence),
    /// It waits for these to end.
    WaitsFor(Vec<TaskId>),
    /// It waits for this time.
    WaitsUntil(Timestamp),
    /// The queue is paused.
    QueuePaused,
    /// A label of it is paused or at its limit.
    LabelClosed(Label),
    /// A task in progress touches the same paths.
    PathsOfTask(TaskId),
    /// Another agent's lock keeps it from the paths it touches.
    PathsLocked(LockId),
    /// Only this agent may claim it.
    AssignedTo(AgentName),
    /// No agent has all the capabilities it asks for.
    NobodyCan,
    /// It may be claimed; its place in the order: lower comes earlier.
    Ranked {
        /// Its place.
        rank: Rank,
        /// What it is counted with.
        group: Group,
        /// Which scheduler says so; `None` is the host.
        by: Option<PolicyVersion>,
    },
}
