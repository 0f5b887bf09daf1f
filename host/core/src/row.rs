//! Changes to what is stored, as the store is told of them. How they are written is its own business.

use crate::{Agent, AgentName, RunRecord, Token, TokenHash};

/// One change to the stored truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// This agent is as given.
    PutAgent(Agent),
    /// No agent of this name exists.
    DeleteAgent(AgentName),
    /// This token is as given.
    PutToken(Token),
    /// No token of this hash exists.
    DeleteToken(TokenHash),
    /// This run is as given.
    PutRun(Box<RunRecord>),
}

impl Row {
    /// Whether authentication depends on it, so that a new [`Directory`](crate::Directory) must be published.
    pub const fn changes_directory(&self) -> bool {
        match self {
            Self::PutAgent(_) | Self::DeleteAgent(_) | Self::PutToken(_) | Self::DeleteToken(_) => true,
            Self::PutRun(_) => false,
        }
    }
}
