//! Why something about a change to files was not done.

use super::{CommitNumber, CommitStatus, ReservationId};
use crate::{AgentName, ProjectPath};

/// Why a [`CommitCommand`](super::CommitCommand) was refused, or what one was to be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitRefusal {
    /// Nothing, or too much, at once.
    #[error("{count} paths in one change; from 1 to {most} are possible, so make several of it")]
    Count {
        /// How many there are.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// Too long a text altogether.
    #[error("the paths of one change take {bytes} bytes; {most} are possible, so make several of it")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// A change that contradicts itself.
    #[error("{path} cannot be changed like this: {why}")]
    InvalidChange {
        /// Which path.
        path: ProjectPath,
        /// What is wrong.
        why: &'static str,
    },
    /// Too many changes are under way.
    #[error("{sets} changes of {paths} paths are under way, which is the most; try again in a moment")]
    Busy {
        /// How many are reserved, waited for, or not yet safe on the disk.
        sets: usize,
        /// How many paths they have.
        paths: usize,
    },
    /// Somebody is changing the same.
    #[error("{path} is being changed by {}; try again in a moment", name(.by))]
    PathReserved {
        /// Which path.
        path: ProjectPath,
        /// Who came earlier; `None` if nobody asked the server.
        by: Option<AgentName>,
    },
    /// The same request is still being carried out.
    #[error("the same request is still being carried out; send it again to learn what comes of it")]
    StillRunning,
    /// The reservation has ended, or never was.
    #[error("there is no reservation {0}: its time is over, or the server began anew; reserve again")]
    NoSuchReservation(ReservationId),
    /// It was not reserved.
    #[error("{path} is not among what {reservation} reserves; reserve it first")]
    NotReserved {
        /// What was to be changed.
        path: ProjectPath,
        /// By which.
        reservation: ReservationId,
    },
    /// Only what nobody asked for can be found, and what somebody asked for cannot.
    #[error(
        "what an agent changes is to be done, and what came from outside was found; one commit is not both"
    )]
    MixedOrigin,
    /// No commit has this number.
    #[error("there is no commit {0}")]
    NoSuchCommit(CommitNumber),
    /// The commit stands elsewhere.
    #[error("commit {commit} is {}; that needs one that is {}", .status.as_str(), .needs.as_str())]
    WrongStatus {
        /// Which.
        commit: CommitNumber,
        /// Where it stands.
        status: CommitStatus,
        /// Where it would have to stand.
        needs: CommitStatus,
    },
}

fn name(agent: &Option<AgentName>) -> &str {
    agent.as_ref().map_or("somebody outside", AgentName::as_str)
}
