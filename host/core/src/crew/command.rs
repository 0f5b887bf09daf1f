//! What agents say of themselves, and what is asked of them.

use std::sync::Arc;

use super::Usage;
use crate::{AgentName, EventSeq, ProviderName, TaskId, Timestamp, Under};

/// What is asked about the agents at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrewCommand {
    /// The caller is alive, and tells how it is.
    Heartbeat(Box<Heartbeat>),
    /// A provider said that it is asked too often: its agents get no tasks until then. Workers and up.
    Cool {
        /// Which; the caller's own if `None`.
        provider: Option<ProviderName>,
        /// From then on it may be asked again; at once if that is now or was before.
        until: Timestamp,
        /// What it said.
        reason: Arc<str>,
    },
    /// The caller used so much, for this task if it holds one. Workers and up.
    Spend(Usage, Under),
    /// The caller goes: what it holds is free, with this note for whoever comes next.
    Leave(Arc<str>),
    /// An agent is to stop what it does. Coordinators and up.
    Interrupt(AgentName, Arc<str>),
    /// Tell how the agents are: all, or this one.
    Find(Option<AgentName>),
}

/// How an agent is, as it says itself. What is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// What it is doing, in a line.
    pub doing: Option<Arc<str>>,
    /// At which task.
    pub task: Option<TaskId>,
    /// How long it may be silent from now on, in milliseconds, before it is lost.
    pub ttl_ms: Option<u64>,
    /// Whose model it is.
    pub provider: Option<ProviderName>,
    /// It knows that it is to stop: the interrupt of this number.
    pub ack_interrupt: Option<EventSeq>,
    /// What it used since it last said so, for this task if it holds one.
    pub usage: Option<(Usage, Under)>,
}

impl Heartbeat {
    /// How long an agent may be silent, in milliseconds: from 10 s to a day.
    pub const TTL_MS: (u64, u64) = (10_000, 24 * 3_600 * 1_000);
    /// The longest text about what it is doing, in bytes.
    pub const MAX_DOING: usize = 300;
}
