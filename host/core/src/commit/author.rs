//! In whose name files are changed, and on what that stands.

use crate::{AgentName, Fence, Keyed, LockId, RunId, Under};

/// Who changes files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// An agent.
    Agent(Authorship),
    /// Somebody who does not ask the server, and did it already: a person with a shell, a deploy. Nothing can be
    /// refused to them; it can only be put on record.
    Outside,
}

/// An agent's change: what has to be in force when it is reserved and again when it is intended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorship {
    /// Whose.
    pub agent: AgentName,
    /// Under which lease. A run that is told its lease when it starts names that one here.
    pub under: Under,
    /// The run that made it, if one did.
    pub run: Option<RunId>,
    /// Locks that must be in force, and the agent's.
    pub locks: Vec<(LockId, Fence)>,
    /// Under which key, if it is to be done once.
    pub keyed: Option<Keyed>,
}

impl Authorship {
    /// A change under the only lease that the agent holds, if it holds exactly one; of no run, and done as often as it
    /// is asked for.
    pub const fn of(agent: AgentName) -> Self {
        Self { agent, under: Under::TheOnlyLease, run: None, locks: Vec::new(), keyed: None }
    }
}
