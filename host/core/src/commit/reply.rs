//! What is answered about changes to files.

use serde::{Deserialize, Serialize};

use super::{CommitNumber, ReservationId, Unfinished};
use crate::{Hold, Timestamp};

/// The answer to a [`CommitCommand`](super::CommitCommand).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommitReply {
    /// The paths are kept from now on.
    #[serde(skip)]
    Reserved(Reserved),
    /// The set has its number, and what it does is durable.
    #[serde(skip)]
    Intended(CommitNumber),
    /// The same request was carried out before, by this commit. What a key is kept with.
    Committed(CommitNumber),
    /// What is unfinished, in the order of numbers.
    #[serde(skip)]
    Unfinished(Vec<Unfinished>),
}

/// Paths that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// Shown in every later call.
    pub reservation: ReservationId,
    /// The lease that the change belongs to.
    pub task: Option<Hold>,
    /// Ends then unless it was intended or renewed before.
    pub deadline: Timestamp,
}

impl CommitReply {
    /// Whether it may be sent before the batch is durable: a reservation lives in memory alone, and what it stands on
    /// is looked at again before anything comes of it.
    pub(crate) const fn precedes_commit(&self) -> bool {
        match self {
            Self::Reserved(_) => true,
            Self::Intended(_) | Self::Committed(_) | Self::Unfinished(_) => false,
        }
    }
}
