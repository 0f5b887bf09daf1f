//! What is stored of commits.

use std::sync::Arc;

use super::{Abort, Commit, CommitNumber};
use crate::{AgentName, Hold, Timestamp};

/// A change to what is stored of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitRow {
    /// This commit is intended. Its number is never given again.
    Insert(Arc<Commit>),
    /// It was published then.
    Publish(CommitNumber, Timestamp),
    /// It came to nothing then.
    Abort(CommitNumber, Timestamp, Abort),
    /// All up to this one that were published are finished.
    RetireThrough(CommitNumber),
    /// This agent lost this lease and may not know.
    PutUnaware(AgentName, Hold),
    /// This agent knows which leases it has.
    DeleteUnaware(AgentName),
}
