//! What a commit is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CommitNumber, RedoList, ReservationId};
use crate::{AgentName, Hold, Key, Keyed, ProjectPath, RunId, Timestamp};

/// A commit as it was intended. It never changes; where it stands is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Which.
    pub number: CommitNumber,
    /// The reservation it came from: whoever prepared it knows it again by that.
    pub reservation: ReservationId,
    /// Who made it; `None` if the server found it.
    pub agent: Option<AgentName>,
    /// Under which lease.
    pub task: Option<Hold>,
    /// In which run.
    pub run: Option<RunId>,
    /// Under which key, which is answered for by this commit.
    pub keyed: Option<Keyed>,
    /// When it was intended.
    pub at: Timestamp,
    /// What it does.
    pub redo: RedoList,
}

impl Commit {
    /// Whose request it carries out, and under which key.
    pub(crate) fn key(&self) -> Option<(AgentName, Key)> {
        Some((self.agent.clone()?, self.keyed.as_ref()?.key.clone()))
    }
}

/// Where a commit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommitStatus {
    /// It has its number, and nothing, some or all of it is in place.
    Intended,
    /// All of it is in place, and a loss of power may yet take some of that back.
    Published,
    /// It is finished.
    Retired,
    /// It came to nothing.
    Aborted,
}

impl CommitStatus {
    /// Every status, in the order of a commit's life.
    pub const ALL: [Self; 4] = [Self::Intended, Self::Published, Self::Retired, Self::Aborted];

    /// The name that the API and the store use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Published => "published",
            Self::Retired => "retired",
            Self::Aborted => "aborted",
        }
    }

    /// Whether what it did is in place.
    pub const fn is_in_force(self) -> bool {
        match self {
            Self::Published | Self::Retired => true,
            Self::Intended | Self::Aborted => false,
        }
    }

    /// Whether whoever serves the project next has to see to it.
    pub const fn is_unfinished(self) -> bool {
        match self {
            Self::Intended | Self::Published => true,
            Self::Retired | Self::Aborted => false,
        }
    }
}

/// Why a set comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Abort {
    /// Somebody who does not ask the server changed this path in between.
    Conflict {
        /// Which.
        path: ProjectPath,
    },
    /// It may not be, or makes no sense: this is what its author is told.
    Refused {
        /// At most 1 KiB; what is longer is cut.
        detail: Arc<str>,
    },
    /// The disk, or the server, failed.
    Failed {
        /// At most 1 KiB; what is longer is cut.
        detail: Arc<str>,
    },
}

impl Abort {
    /// The most bytes of a detail.
    const MAX_DETAIL: usize = 1 << 10;

    pub(crate) fn bounded(self) -> Self {
        let cut = |detail: Arc<str>| match detail.get(..detail.floor_char_boundary(Self::MAX_DETAIL)) {
            Some(start) if start.len() < detail.len() => start.into(),
            Some(_) | None => detail,
        };
        match self {
            Self::Conflict { path } => Self::Conflict { path },
            Self::Refused { detail } => Self::Refused { detail: cut(detail) },
            Self::Failed { detail } => Self::Failed { detail: cut(detail) },
        }
    }
}

/// A commit that an earlier state left unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Which.
    pub commit: Arc<Commit>,
    /// Whether it is known that all of it was in place once.
    pub is_published: bool,
}

/// What the state of commits is rebuilt from.
#[derive(Debug, Clone, Default)]
pub struct CommitSeed {
    /// The number of the last commit ever intended.
    pub last: u64,
    /// The number of the last reservation asked for in this boot; 0 when it has just begun.
    pub last_reservation: u64,
    /// Every commit that is not finished.
    pub unfinished: Vec<Unfinished>,
    /// Agents that lost a lease and may not know, and which.
    pub unaware: Vec<(AgentName, Hold)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_cut_between_characters() {
        let detail: Arc<str> = format!("a{}", "é".repeat(1_000)).into();
        let Abort::Failed { detail } = (Abort::Failed { detail }).bounded() else { panic!() };
        assert_eq!(detail.len(), 1_023);
        let short = Abort::Refused { detail: "é".into() };
        assert_eq!(short.clone().bounded(), short);
    }
}
