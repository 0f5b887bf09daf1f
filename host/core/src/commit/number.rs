//! What commits and reservations are called.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::BootNumber;

/// A commit's place in the journal: counted from 1 without gaps, in the order of intents. 0 is the manifest that a
/// project begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitNumber(pub u64);

impl fmt::Display for CommitNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of reserved paths, and its place among those that wait: earlier ones are lower. Never given twice, not even
/// after a commit that failed, because whoever held one then may still show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId {
    /// The boot it was asked for in.
    pub boot: BootNumber,
    /// Counted from 1 within the boot.
    pub number: u64,
}

impl fmt::Display for ReservationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}-{}", self.boot.0, self.number)
    }
}
