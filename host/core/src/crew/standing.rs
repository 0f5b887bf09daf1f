//! What is known of an agent besides what it is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Usage;
use crate::{AgentName, EventSeq, ProviderName, Timestamp};

/// Whether an agent is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It showed up, and has not gone.
    Here,
    /// It said that it goes, or held nothing and was not heard of for long.
    Left,
    /// It went without a word while something depended on it.
    Lost,
}

/// How an agent stands. Stored whole when any of it changes: when it comes and goes, not with each sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether it is at work.
    pub presence: Presence,
    /// Since when.
    pub since: Timestamp,
    /// How long it may be silent, in milliseconds, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Whose model it is, if it said so: agents of one provider share its rate limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderName>,
    /// Somebody wants it to stop, and it has not acknowledged that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupt: Option<Interrupt>,
    /// What it used, ever.
    #[serde(default, skip_serializing_if = "Usage::is_nothing")]
    pub usage: Usage,
}

impl Standing {
    /// An agent that never was here.
    pub fn absent(now: Timestamp) -> Self {
        Self {
            presence: Presence::Left,
            since: now,
            ttl_ms: None,
            provider: None,
            interrupt: None,
            usage: Usage::default(),
        }
    }
}

/// A wish that an agent stops what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupt {
    /// The event that told of it, which is how it is acknowledged.
    pub seq: EventSeq,
    /// Whose wish; `None` for the operator.
    pub by: Option<AgentName>,
    /// When.
    pub at_ms: Timestamp,
    /// Why, and what to do instead.
    pub reason: Arc<str>,
}

/// A provider that wants to be left alone for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cooldown {
    /// Which.
    pub provider: ProviderName,
    /// Until when.
    pub until_ms: Timestamp,
    /// Who said so last.
    pub by: AgentName,
    /// What the provider said.
    pub reason: Arc<str>,
}
