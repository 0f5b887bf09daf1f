//! Agents: who may act, and as what.

use std::fmt;
use std::str::FromStr;

use crate::{AgentName, Capability, InvalidId, ProfileName};

/// What an agent may do, from least to most; each role may do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads what its grants let it see.
    Observer,
    /// And files, runs, locks, talk, and the tasks it holds or made.
    Worker,
    /// And all tasks, the queue, breaking locks, interrupting others.
    Coordinator,
    /// And agents, profiles, tokens, tools, policies, audit.
    Admin,
}

/// Text that names no role.
pub type UnknownRole = InvalidId;

impl Role {
    /// Every role, from least to most.
    pub const ALL: [Self; 4] = [Self::Observer, Self::Worker, Self::Coordinator, Self::Admin];

    /// The role's name, as configuration and the API write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Worker => "worker",
            Self::Coordinator => "coordinator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| InvalidId::new(text, "a role (observer, worker, coordinator or admin)"))
    }
}

/// An identity that may act in one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Unique in the project.
    pub name: AgentName,
    /// What it may do.
    pub role: Role,
    /// What it may touch and spend.
    pub profile: ProfileName,
    /// Skills it advertises, used to match tasks; sorted, without repeats.
    pub capabilities: Vec<Capability>,
}

/// What a policy is told about an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentFacts {
    /// The agent.
    pub agent: Agent,
    /// Tasks that it holds.
    pub tasks_held: u32,
    /// Its runs that have begun and not ended.
    pub live_runs: u32,
    /// For how long its runs computed lately, in milliseconds: what was is halved every hour.
    pub recent_cpu_ms: u64,
}

impl Agent {
    /// Whether it may know of what `owner` runs, and stop it: its own runs, and everybody's from a coordinator on.
    pub fn may_see_runs_of(&self, owner: &AgentName) -> bool {
        self.name == *owner || self.may_see_all_runs()
    }

    /// Whether it may take back what `author` committed: its own, and everybody's from a coordinator on.
    pub fn may_undo(&self, author: Option<&AgentName>) -> bool {
        author == Some(&self.name) || self.role >= Role::Coordinator
    }

    /// Whether that holds for everybody's runs.
    pub fn may_see_all_runs(&self) -> bool {
        self.role >= Role::Coordinator
    }
}
