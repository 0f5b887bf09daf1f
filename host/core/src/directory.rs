//! Who is who, as published to the edge after each commit that changes it.

use std::collections::HashMap;

use crate::{Agent, AgentName, Timestamp, Token, TokenHash};

/// An immutable picture of the project's agents and tokens, for authentication in memory.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    agents: HashMap<AgentName, Agent>,
    tokens: HashMap<TokenHash, Token>,
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
    ) -> Self {
        Self {
            agents: agents.map(|agent| (agent.name.clone(), agent.clone())).collect(),
            tokens: tokens.map(|token| (token.hash, token.clone())).collect(),
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

    /// All agents, in no particular order.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }
}
