//! What is answered about agents at work.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Budget, Cooldown, Spender, Standing, Usage};
use crate::{Agent, EventSeq, Hold, TaskId, Timestamp};

/// The answer to a [`CrewCommand`](super::CrewCommand).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrewReply {
    /// How agents are, by name.
    #[serde(skip)]
    Found(Vec<MemberFacts>),
    /// It was counted.
    Counted(Counted),
    /// A provider is left alone until then; `None` if it need not be.
    Cools(Option<Cooldown>),
}

/// What was counted, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// The agent's, ever.
    pub agent: Usage,
    /// The project's, ever.
    pub project: Usage,
    /// The task's, if the caller holds one.
    pub task: Option<(TaskId, Usage)>,
    /// The task's budget is spent: it waits for somebody to decide, and the caller does not hold it any more.
    pub task_spent: bool,
    /// A budget that is spent: there are no more tasks until it is raised.
    pub spent: Option<Spender>,
}

/// How an agent is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// At work: it holds a task, or runs something.
    Active,
    /// Here, with nothing to do.
    Idle,
    /// Not heard of for more than half of the time that it may be silent.
    Suspect,
    /// Vanished with something in its hands.
    Lost,
    /// Not here.
    Left,
}

impl AgentStatus {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Suspect => "suspect",
            Self::Lost => "lost",
            Self::Left => "left",
        }
    }
}

/// An agent, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFacts {
    /// What it is.
    pub agent: Agent,
    /// How it is.
    pub status: AgentStatus,
    /// How it stands; `None` if it never was here.
    pub standing: Option<Standing>,
    /// The last sign of life that this process knows of.
    pub last_seen: Option<Timestamp>,
    /// What it is doing, in its own words.
    pub doing: Option<Arc<str>>,
    /// At which task, in its own words.
    pub doing_task: Option<TaskId>,
    /// What it holds.
    pub tasks: Vec<Hold>,
    /// How many locks it holds.
    pub locks: u64,
    /// The last task that it completed; of long ago, it may be forgotten.
    pub last_completed: Option<TaskId>,
    /// How many of its runs are live.
    pub runs: u32,
    /// How many messages it has not acknowledged.
    pub unread: u64,
    /// Its provider is to be left alone.
    pub cooldown: Option<Cooldown>,
    /// How much it may use.
    pub budget: Option<Budget>,
    /// Whatever happened later is an event after this one.
    pub as_of: EventSeq,
}
