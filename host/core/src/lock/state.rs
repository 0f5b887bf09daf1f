//! What a lock is.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AgentName, Fence, Hold, LockId, PathPattern, Timestamp, overlap};

/// Who else may lock the same paths. Whether anybody may change them is the same in both modes: only who holds
/// every lock on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockMode {
    /// Others may, in this mode.
    Shared,
    /// Nobody.
    Exclusive,
}

impl LockMode {
    /// As the API and the store write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Exclusive => "exclusive",
        }
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In whose name paths are locked or changed: an agent's, at work on a task or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Which agent.
    pub agent: AgentName,
    /// Under which of its leases.
    pub task: Option<Hold>,
}

impl Holder {
    /// Whether what this holder locked is `other`'s own: the same agent's and, if it belongs to a lease, the same
    /// lease's.
    pub fn admits(&self, other: &Self) -> bool {
        self.agent == other.agent && (self.task.is_none() || self.task == other.task)
    }

    /// Whether neither is in the other's way.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.admits(other) || other.admits(self)
    }
}

/// Who locks what, or wants to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockTerms {
    /// In whose name.
    pub holder: Holder,
    /// Who else may lock the same.
    pub mode: LockMode,
    /// Which paths.
    pub patterns: Arc<[PathPattern]>,
}

impl LockTerms {
    /// The first of these patterns that two holders could not both lock.
    pub(crate) fn conflict(&self, other: &Self) -> Option<&PathPattern> {
        if (self.mode, other.mode) == (LockMode::Shared, LockMode::Shared) {
            return None;
        }
        let (ours, _) = overlap(&self.patterns, &other.patterns)?;
        self.patterns.get(ours)
    }
}

/// A lock in force. Stored whole when it is taken and when its lease is lost; renewals are not, because after a
/// restart every lock begins anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Which.
    pub id: LockId,
    /// Proves that it is this grant.
    pub fence: Fence,
    /// Who locked what.
    #[serde(flatten)]
    pub terms: LockTerms,
    /// What for.
    pub reason: Arc<str>,
    /// When it was granted.
    pub taken_at: Timestamp,
    /// How long each renewal lasts, in milliseconds.
    pub ttl_ms: u64,
    /// Ends then unless renewed before.
    pub expires_at: Timestamp,
    /// Its lease was lost: it is nobody's, cannot be renewed, and keeps everybody away until it ends.
    pub orphaned: bool,
}

impl Lock {
    /// How long a lock outlives a lease that was lost, in milliseconds: 30 s.
    pub(crate) const ORPHANED_MS: u64 = 30_000;

    /// Until when a renewal at `now` lasts. Never earlier than before.
    pub(crate) fn renewed_until(&self, now: Timestamp) -> Timestamp {
        let ms = if self.orphaned { Self::ORPHANED_MS } else { self.ttl_ms };
        now.plus_millis(ms).max(self.expires_at)
    }

    /// How much of its time is left at `now`, in milliseconds.
    pub(crate) fn left_ms(&self, now: Timestamp) -> u64 {
        self.expires_at.as_millis().saturating_sub(now.as_millis())
    }
}
