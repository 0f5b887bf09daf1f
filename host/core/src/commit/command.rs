//! What is asked about changes to files.

use super::{Abort, Author, CommitNumber, RedoList, Reservation, ReservationId};
use crate::{AgentName, Timestamp};

/// What can be asked about changes to files. All of it is for the server: it works on the files in an agent's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitCommand {
    /// Keep these paths for a change set, all of them or none, and wait for them if that is asked.
    Reserve(ReserveRequest),
    /// Keep them for longer, because they are still being prepared.
    Renew(ReservationId),
    /// The set is prepared: number it, and make what it does durable before anything is moved. Everything that it
    /// stands on is looked at again.
    Intend(ReservationId, RedoList),
    /// All of it is in place. From here on others may change the same paths.
    Publish(CommitNumber),
    /// What these did is safe on the disk, directories included.
    Retire(Vec<CommitNumber>),
    /// Nothing of it is in place, or nothing any more.
    Abort(Undo, Abort),
    /// Tell what an earlier state left unfinished and nobody has finished since.
    Unfinished,
    /// The agent was told where it stands: it knows again which leases it has.
    Brief(AgentName),
}

/// Paths that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveRequest {
    /// Which.
    pub paths: Reservation,
    /// In whose name.
    pub author: Author,
    /// Until when to wait for others, 10 min at most; `None` not to wait.
    pub wait_until: Option<Timestamp>,
}

/// What is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// A set that was not intended yet. Nothing is recorded of it.
    Reserved(ReservationId),
    /// A commit that was. What it had moved must be back in place, and safe on the disk, directories included: from
    /// then on nobody looks at it again.
    Intended(CommitNumber),
}
