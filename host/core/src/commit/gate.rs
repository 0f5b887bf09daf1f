//! What whoever works on the files needs of the coordinator.

use super::{
    Abort, Author, Change, CommitNumber, CommitRefusal, CommitStatus, RedoList, Reservation, ReservationId,
    Reserved, Undo, Unfinished,
};
use crate::{Refusal, Suspended, Timestamp};

/// The way a change set takes through the coordinator. Calls block.
///
/// *Reserve*, prepare, *intent*, apply, *published*, sync the directories, *retired*; or *abort* on the way. Whoever
/// holds a reservation asks for no second one, so that nobody waits for somebody who waits.
///
/// What a change stands on (its agent, lease and locks, and other holders' locks on its paths) is looked at by
/// `reserve` and again by `intent`. What ends later comes too late: a commit that has its number goes on.
///
/// A key makes its request one commit: `reserve` answers with the commit of a request that came before, and waits for
/// one that is still on its way. Keys of aborted commits and dropped reservations are free again.
pub trait CommitGate {
    /// Keeps the paths, all of them or none, for 30 s. Waits until `wait_until` for sets that came earlier and have a
    /// path in common. Sets in conflict come first come first served; others pass.
    ///
    /// # Errors
    /// When the change may not be made now, or others are in the way.
    fn reserve(
        &self,
        paths: &Reservation,
        author: &Author,
        wait_until: Option<Timestamp>,
    ) -> Result<Granted, GateError>;

    /// Keeps the paths for another 30 s from now, 10 min at most since they were granted. Returns until when.
    ///
    /// # Errors
    /// When the reservation has ended.
    fn renew(&self, reserved: ReservationId) -> Result<Timestamp, GateError>;

    /// Gives the set its number. When this returns, the list is durable; nothing is to be moved before that.
    ///
    /// After [`GateError::CommitUnknown`] the set may or may not have a number: it is not to be applied, and if it has
    /// one, it is among [`CommitGate::unfinished`].
    ///
    /// # Errors
    /// When the change may not be made any more, or its reservation has ended: then there is no number.
    fn intent(&self, reserved: ReservationId, redo: &RedoList) -> Result<CommitNumber, GateError>;

    /// All of the commit is in place. Returns at once: the intent is durable, and a start does it again.
    fn published(&self, commit: CommitNumber);

    /// The directories that these changed are synced, in any order. A commit is finished when all before it are.
    fn retired(&self, commits: &[CommitNumber]);

    /// Gives up a set, or a commit of which nothing is in place any more.
    fn abort(&self, what: Undo, why: Abort);

    /// What an earlier state left unfinished, in the order of numbers: to be brought to an end by `published` (again)
    /// and `retired`, or by `abort`. Nobody else gets its paths until then, save others of the list. To be asked
    /// before anybody is served, and when told to by [`Effect::RecoverCommits`](crate::Effect): then the caller may be
    /// at work on some of them itself, which it knows by their reservation, and leaves alone.
    ///
    /// A path may be in several. What lies there may be what a later one put.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    fn unfinished(&self) -> Result<Vec<Unfinished>, GateError>;

    /// The last number that was given; 0 if none was.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn last_commit(&self) -> Result<CommitNumber, GateError>;

    /// The commits after this one, `limit` at most, in the order of numbers.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn journal(&self, after: CommitNumber, limit: u32) -> Result<Vec<Journaled>, GateError>;
}

/// A commit as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journaled {
    /// Which.
    pub number: CommitNumber,
    /// Where it stands.
    pub status: CommitStatus,
    /// What it does, or would have done.
    pub changes: Vec<Change>,
}

/// What became of a wish for paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// They are kept.
    Reserved(Reserved),
    /// There is nothing to do: the same request was carried out before, by this commit.
    Committed(CommitNumber),
}

/// Why the coordinator did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// It may not be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not known whether it was done.
    #[error("it is not known whether the change was recorded; ask again with the same idempotency key")]
    CommitUnknown,
    /// Too much waits; nothing was done.
    #[error("the coordinator has too many commands waiting; try again in a moment")]
    Busy,
    /// Nothing can be changed for now; nothing was done.
    #[error("{0}; try again in a moment")]
    Suspended(#[source] Suspended),
    /// The project is being closed; nothing was done.
    #[error("the project is closed")]
    Closed,
    /// The journal cannot be read; nothing was done.
    #[error("the journal cannot be read")]
    Unreadable,
    /// Something else was answered than was asked. The server's fault.
    #[error("the coordinator answered something else")]
    Mismatch,
}

impl From<CommitRefusal> for GateError {
    fn from(refusal: CommitRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}
