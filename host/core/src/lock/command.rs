//! What is asked of locks.

use std::sync::Arc;

use super::{Holder, LockMode};
use crate::{Fence, Hold, LockId, PathPattern, ProjectPath, Timestamp};

/// What can be asked about locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockCommand {
    /// Lock these paths, all of them or none. Workers and up.
    Take(LockRequest),
    /// Keep a lock. Its holder.
    Renew(LockId, Fence),
    /// Give a lock back. Its holder; the server, if its grant could not be delivered.
    Release(LockId, Fence),
    /// End somebody's lock, for this reason. Coordinators and up.
    Break(LockId, Arc<str>),
    /// Tell about all locks and all that wait for one. Everybody.
    Find,
    /// Whether these changes might be published now. The server.
    Check(Authority, Changes),
}

/// A lock that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockRequest {
    /// What to lock: 1 to 64 patterns.
    pub patterns: Vec<PathPattern>,
    /// Who else may lock the same.
    pub mode: LockMode,
    /// How long each renewal lasts, in milliseconds: from 1 s to a day.
    pub ttl_ms: u64,
    /// The caller's lease that the lock belongs to and ends with, if any.
    pub task: Option<Hold>,
    /// What for, to be read by whoever finds the paths locked.
    pub reason: Arc<str>,
    /// Until when to wait for others; `None` not to wait.
    pub wait_until: Option<Timestamp>,
}

impl LockRequest {
    /// How long a lock lasts unless the request says otherwise: 10 min.
    pub const DEFAULT_TTL_MS: u64 = 10 * 60 * 1_000;

    /// All of these, at once or not at all, for the default time and no lease in particular.
    pub fn new(mode: LockMode, patterns: Vec<PathPattern>) -> Self {
        let (task, reason, wait_until) = (None, Arc::default(), None);
        Self { patterns, mode, ttl_ms: Self::DEFAULT_TTL_MS, task, reason, wait_until }
    }
}

/// On what authority something is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// In whose name. A lease that is given must be in force.
    pub holder: Holder,
    /// Locks that must be in force, and the holder's.
    pub locks: Vec<(LockId, Fence)>,
}

/// What is to be changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// These, and nothing beneath them.
    pub entries: Vec<ProjectPath>,
    /// These with everything beneath them.
    pub subtrees: Vec<ProjectPath>,
}
