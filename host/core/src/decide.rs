//! The seam where policies are asked. What they answer is never trusted with a promise.

use serde::{Deserialize, Serialize};

use crate::{AgentFacts, LimitsRequest, RunRequest, Task};

/// A task's place in the order of those that are ready: lower comes earlier. Among equals the older one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rank(pub i64);

/// What a policy may be asked during a step. Calls block; an implementation bounds its own time.
pub trait Decide {
    /// Whether this run may begin, and within which limits.
    fn review(&mut self, run: &RunRequest, agent: &AgentFacts) -> Admit;

    /// Where a task comes among those that are ready. Asked once, when it becomes ready.
    fn rank(&mut self, task: &Task) -> Rank;

    /// Whether a task may begin while `running`, which touches some of the same paths, is in progress.
    fn may_overlap(&mut self, task: &Task, running: &Task) -> bool;
}

/// An admission policy's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admit {
    /// As requested.
    Allow,
    /// Within these limits as well; they can only lower what the profile gives.
    Narrow(LimitsRequest),
    /// Not at all, for this reason.
    Deny(String),
}

/// The host's own decisions, in force where no policy is: every run the profile allows is admitted, tasks
/// that touch the same paths come one after another, and a point of priority is worth a minute of waiting,
/// so that nothing waits for ever.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostOrder;

impl Decide for HostOrder {
    fn review(&mut self, _run: &RunRequest, _agent: &AgentFacts) -> Admit {
        Admit::Allow
    }

    fn rank(&mut self, task: &Task) -> Rank {
        rank_by_priority(task)
    }

    fn may_overlap(&mut self, _task: &Task, _running: &Task) -> bool {
        false
    }
}

/// When the task was made, a minute earlier for each point of its priority.
pub(crate) fn rank_by_priority(task: &Task) -> Rank {
    const MINUTE_MS: i64 = 60_000;
    let made = i64::try_from(task.created_at.as_millis()).unwrap_or(i64::MAX);
    Rank(made.saturating_sub(i64::from(task.spec.priority) * MINUTE_MS))
}
