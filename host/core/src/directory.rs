//! Who is who, as published to the edge after each commit that changes it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Agent, AgentName, FileGrants, Limits, ProfileName, Profiles, Role, Timestamp, Token, TokenHash};

/// An immutable picture of the project's agents, tokens and grants, for deciding in memory who may what.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    agents: HashMap<AgentName, Agent>,
    tokens: HashMap<TokenHash, Token>,
    profiles: HashMap<ProfileName, (Arc<FileGrants>, Limits)>,
}

/// Whom a request's token speaks for.
pub type Identity = Agent;

/// Why a token speaks for nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unauthenticated {
    /// No agent has such a token; a revoked one looks the same.
    #[error("token is unknown or was revoked")]
    Unknown,
    /// It was good once.
    #[error("token has expired")]
    Expired,
}

impl Directory {
    pub(crate) fn new<'a>(
        agents: impl Iterator<Item = &'a Agent>,
        tokens: impl Iterator<Item = &'a Token>,
        profiles: &Profiles,
    ) -> Self {
        Self {
            agents: agents.map(|agent| (agent.name.clone(), agent.clone())).collect(),
            tokens: tokens.map(|token| (token.hash, token.clone())).collect(),
            profiles: profiles
                .iter()
                .map(|(name, profile)| (name.clone(), (Arc::clone(&profile.files), profile.limits)))
                .collect(),
        }
    }

    /// The agent whose token hashes to `hash`.
    ///
    /// # Errors
    /// When there is none, or its token has expired at `now`.
    pub fn identify(&self, hash: &TokenHash, now: Timestamp) -> Result<&Identity, Unauthenticated> {
        let token = self.tokens.get(hash).ok_or(Unauthenticated::Unknown)?;
        if token.expires_at.is_some_and(|at| at <= now) {
            return Err(Unauthenticated::Expired);
        }
        self.agents.get(&token.agent).ok_or(Unauthenticated::Unknown)
    }

    /// Which files an agent may touch: none, if its profile is no longer defined.
    pub fn files_of(&self, agent: &Agent) -> Arc<FileGrants> {
        self.profiles.get(&agent.profile).map(|(files, _)| Arc::clone(files)).unwrap_or_default()
    }

    /// Whether this agent may know of the commands that another runs, what they read and what they write: what was in files
    /// that the other may read can be in there. Of agents that are gone nobody knows what they could read.
    pub fn may_see_into_runs_of(&self, agent: &Agent, owner: &AgentName) -> bool {
        let covers = || {
            let (own, others) =
                (self.files_of(agent), self.agents.get(owner).map(|owner| self.files_of(owner)));
            own.cover_reads_of(&others.unwrap_or_else(|| Arc::new(FileGrants::everything())))
        };
        agent.name == *owner || agent.role >= Role::Admin || (agent.may_see_all_runs() && covers())
    }

    /// What an agent may spend at once: the default, if its profile is no longer defined.
    pub fn limits_of(&self, agent: &Agent) -> Limits {
        self.profiles.get(&agent.profile).map(|(_, limits)| *limits).unwrap_or_default()
    }

    /// All agents, in no particular order.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }
}
