//! Change sets before they are intended.

use super::{Author, Authorship, Reservation, ReserveRequest};
use crate::{AgentName, Authority, Hold, Holder, Key, Keyed, RunId, Timestamp, Waiter};

/// What a set wants, in whose name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetFacts {
    pub(crate) paths: Reservation,
    /// What it stands on; `None` for what came from outside.
    pub(crate) by: Option<Authority>,
    pub(crate) run: Option<RunId>,
    pub(crate) keyed: Option<Keyed>,
}

impl SetFacts {
    /// What is asked for, by an agent under this lease.
    pub(crate) fn new(paths: Reservation, author: Author, task: Option<Hold>) -> Self {
        match author {
            Author::Agent(Authorship { agent, under: _, run, locks, keyed }) => {
                let by = Some(Authority { holder: Holder { agent, task }, locks });
                Self { paths, by, run, keyed }
            }
            Author::Outside => Self { paths, by: None, run: None, keyed: None },
        }
    }

    pub(crate) fn agent(&self) -> Option<&AgentName> {
        self.by.as_ref().map(|by| &by.holder.agent)
    }

    pub(crate) fn task(&self) -> Option<Hold> {
        self.by.as_ref().and_then(|by| by.holder.task)
    }

    pub(crate) fn key(&self) -> Option<(AgentName, Key)> {
        Some((self.agent()?.clone(), self.keyed.as_ref()?.key.clone()))
    }
}

/// A set that waits for its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaitingSet {
    pub(crate) waiter: Waiter,
    pub(crate) until: Timestamp,
    pub(crate) facts: SetFacts,
}

/// A set that has its paths and is being prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LiveSet {
    pub(crate) facts: SetFacts,
    pub(crate) deadline: Timestamp,
    /// No renewal goes beyond that.
    pub(crate) hard_end: Timestamp,
}

/// The same request as one that is on its way, come again. It waits for what comes of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Follower {
    pub(crate) waiter: Waiter,
    pub(crate) until: Timestamp,
    pub(crate) request: ReserveRequest,
}
