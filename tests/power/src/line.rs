//! What the victim prints.

use serde::{Deserialize, Serialize};

use crate::{Loss, Said};

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Line {
    Said(Said),
    /// The last one, though what others were told before may still follow.
    Cut(Last),
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    pub loss: Loss,
    /// Requests that were not answered.
    pub unknown: u64,
}
