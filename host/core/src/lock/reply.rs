//! What is answered about locks.

use serde::{Deserialize, Serialize};

use super::{Lock, LockTerms};
use crate::{Fence, LockId, Timestamp};

/// The answer to a [`LockCommand`](super::LockCommand).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockReply {
    /// The caller holds it from now on.
    Taken(Taken),
    /// The caller goes on holding it.
    Renewed(Taken),
    /// What is locked, and what is waited for.
    #[serde(skip)]
    Found(Box<LocksFound>),
}

/// A lock that the caller holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Which.
    pub lock: LockId,
    /// Proves the grant in every later call.
    pub fence: Fence,
    /// Ends then unless renewed.
    pub expires_at: Timestamp,
}

/// All locks and all that wait for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocksFound {
    /// Those in force, by id.
    pub locks: Vec<Lock>,
    /// Who waits, first come first.
    pub waiters: Vec<LockWaiter>,
}

/// Somebody who waits for a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockWaiter {
    /// Who wants what.
    #[serde(flatten)]
    pub terms: LockTerms,
    /// Since when.
    pub since: Timestamp,
    /// Gives up then.
    pub until: Timestamp,
}
