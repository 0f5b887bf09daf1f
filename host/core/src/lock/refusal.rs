//! Why something about a lock was not done.

use std::sync::Arc;

use crate::{AgentName, Fence, Hold, LockId, PathPattern, ProjectPath};

/// Why a [`LockCommand`](super::LockCommand) was refused, or a change because of a lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockRefusal {
    /// No patterns, or too many.
    #[error("{0} patterns in one lock; from 1 to 64 are possible")]
    Count(usize),
    /// A time to live that is none.
    #[error("ttl_ms is {0}; it must be from 1000 to 86400000")]
    TtlOutOfRange(u64),
    /// The agent has as many locks as it may.
    #[error("the agent holds or waits for {0} locks, which is the most; release some")]
    TooMany(usize),
    /// Somebody's lock is in the way.
    #[error("{pattern} meets {lock}, which {holder} holds for another {left_ms} ms unless renewed")]
    Held {
        /// What was asked for.
        pattern: PathPattern,
        /// What is in the way.
        lock: LockId,
        /// Whose it is.
        holder: AgentName,
        /// How long it lasts unless it is renewed.
        left_ms: u64,
    },
    /// Somebody who came earlier waits for the same.
    #[error("{pattern} meets what {earlier} has been waiting for longer")]
    Queued {
        /// What was asked for.
        pattern: PathPattern,
        /// Who came earlier.
        earlier: AgentName,
    },
    /// The conflict policy refused it.
    #[error("the conflict policy refuses it: {0}")]
    NotAllowed(Arc<str>),
    /// Some would wait for each other.
    #[error("this would wait for {}, a deadlock; release what the others wait for", in_turn(.chain))]
    Deadlock {
        /// For whom it would wait, for whom that agent waits, and so on, up to the caller.
        chain: Vec<AgentName>,
    },
    /// No lock has this id, or none that could be broken.
    #[error("there is no lock {0}")]
    NoSuchLock(LockId),
    /// The lock has ended, or is not the caller's under this fence.
    #[error("fence {fence} of {lock} is not in force{}; take the lock again", held_by(.holder))]
    StaleLock {
        /// Which lock.
        lock: LockId,
        /// What was presented.
        fence: Fence,
        /// Who holds it, under which fence, if it has not ended.
        holder: Option<(AgentName, Fence)>,
    },
    /// The lock cannot be renewed.
    #[error("{lock} ends in {left_ms} ms, because {}; take another one then", lost(*.hold))]
    Orphaned {
        /// Which lock.
        lock: LockId,
        /// The lease it belonged to, which was lost; `None` if its agent was, and came again.
        hold: Option<Hold>,
        /// How long it keeps everybody away.
        left_ms: u64,
    },
    /// A path is locked by somebody else.
    #[error("{path} is locked: {lock} is held by {holder} for another {left_ms} ms unless renewed")]
    PathLocked {
        /// What was to be changed.
        path: ProjectPath,
        /// What keeps it.
        lock: LockId,
        /// Whose that is.
        holder: AgentName,
        /// How long it lasts unless it is renewed.
        left_ms: u64,
    },
}

fn in_turn(agents: &[AgentName]) -> String {
    agents.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", who waits for ")
}

fn held_by(holder: &Option<(AgentName, Fence)>) -> String {
    holder
        .as_ref()
        .map(|(agent, fence)| format!(": {agent} holds it under fence {fence}"))
        .unwrap_or_default()
}

fn lost(hold: Option<Hold>) -> String {
    hold.map_or_else(
        || "its holder was given up".to_owned(),
        |hold| format!("its lease on {} was lost", hold.task),
    )
}
