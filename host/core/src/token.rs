//! Bearer tokens as the server knows them: by hash only.

use std::fmt;

use crate::{AgentName, Timestamp};

/// The SHA-256 of a bearer token's text. The token itself is 256 random bits, shown once and never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "TokenHash({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// A token that lets its bearer act as one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What the bearer's text must hash to.
    pub hash: TokenHash,
    /// Whom it lets its bearer act as.
    pub agent: AgentName,
    /// From this instant it is refused; `None` for a token that lasts until revoked.
    pub expires_at: Option<Timestamp>,
}
