//! What is asked of the queue as a whole, what is answered, and what happened to it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{QueueLimits, QueueRules, Scope};
use crate::TaskStatus;

/// What can be asked about the queue as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueCommand {
    /// Grant nothing of this any more. Coordinators and up.
    Pause(Scope),
    /// Grant it again. Coordinators and up.
    Resume(Scope),
    /// Put these limits in force in place of those before. Coordinators and up.
    SetLimits(Box<QueueLimits>),
    /// Tell the rules in force, and how many tasks stand where. Everybody.
    Find,
}

/// The queue as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFacts {
    /// The rules in force.
    pub rules: QueueRules,
    /// How many of the tasks that have not ended stand where.
    pub counts: BTreeMap<TaskStatus, u64>,
    /// Claims that wait for a task.
    pub waiting_claims: u64,
}

/// Something that happened to the queue as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum QueueEvent {
    /// Nothing of this is granted any more.
    Paused(Scope),
    /// It is granted again.
    Resumed(Scope),
    /// These limits are in force.
    LimitsSet(Box<QueueLimits>),
}

impl QueueEvent {
    /// The type as the API writes it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Paused(_) => "queue.paused",
            Self::Resumed(_) => "queue.resumed",
            Self::LimitsSet(_) => "queue.limits_set",
        }
    }
}
