//! What happened to locks.

use std::sync::Arc;

use serde::Serialize;

use super::LockTerms;
use crate::{AgentName, Fence, Hold, LockId, Timestamp};

/// Something that happened to a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum LockEvent {
    /// Somebody holds it.
    Taken {
        fence: Fence,
        #[serde(flatten)]
        terms: LockTerms,
        reason: Arc<str>,
        waited_ms: u64,
    },
    /// It was given back, or what it belonged to ended.
    Released { holder: AgentName, fence: Fence, cause: ReleaseCause },
    /// Its lease or its holder was lost; it ends by itself.
    Orphaned { holder: AgentName, fence: Fence, task: Option<Hold>, ends_at_ms: Timestamp },
    /// Nobody renewed it.
    Expired { holder: AgentName, fence: Fence },
    /// Somebody ended it, and its holder must stop: every fence up to `raised_to` is older than that.
    Broken { holder: AgentName, fence: Fence, raised_to: Fence, reason: Arc<str> },
}

/// Why a lock was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseCause {
    /// Its holder said so.
    Holder,
    /// The answer that granted it could not be delivered.
    Undelivered,
    /// Its lease ended.
    LeaseEnded,
    /// Its holder was removed.
    HolderRemoved,
    /// Its holder left.
    HolderLeft,
}

impl LockEvent {
    /// The type as the API writes it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Taken { .. } => "lock.taken",
            Self::Released { .. } => "lock.released",
            Self::Orphaned { .. } => "lock.orphaned",
            Self::Expired { .. } => "lock.expired",
            Self::Broken { .. } => "lock.broken",
        }
    }
}

/// An event and the lock it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AboutLock {
    /// Which.
    pub lock: LockId,
    /// What happened to it.
    #[serde(flatten)]
    pub event: LockEvent,
}
