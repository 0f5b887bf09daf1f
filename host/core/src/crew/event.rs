//! What happened to agents at work.

use std::sync::Arc;

use serde::Serialize;

use super::{Presence, Spender};
use crate::{AgentName, ProviderName, Timestamp};

/// An event and the agent it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AboutAgent {
    /// Which.
    pub name: AgentName,
    /// What happened.
    #[serde(flatten)]
    pub event: CrewEvent,
}

/// Something that happened to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CrewEvent {
    /// It is here: for the first time if `was` is `None`.
    Joined {
        /// How it stood before.
        was: Option<Presence>,
    },
    /// It is not here any more.
    Left {
        /// Of its own will, or because nothing was heard of it.
        why: Gone,
        /// What it said for those who go on.
        note: Arc<str>,
    },
    /// It vanished with something in its hands: that goes to others.
    Lost {
        /// The last sign of life.
        last_seen_ms: Timestamp,
        /// How many tasks it held.
        tasks: u64,
        /// How many locks.
        locks: u64,
    },
    /// Somebody wants it to stop.
    Interrupted {
        /// Why.
        reason: Arc<str>,
    },
    /// It knows.
    InterruptAcked {},
    /// Its provider wants to be left alone.
    Cooled {
        /// Which.
        provider: ProviderName,
        /// Until when.
        until_ms: Timestamp,
        /// What it said.
        reason: Arc<str>,
    },
    /// A budget that it draws on is spent.
    BudgetSpent {
        /// Whose.
        of: Spender,
        /// What of it, in words.
        spent: String,
    },
}

/// Why an agent is not here any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// It said so.
    Said,
    /// It held nothing, and was not heard of.
    Silent,
}

impl CrewEvent {
    /// The type as the API writes it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Joined { .. } => "agent.joined",
            Self::Left { .. } => "agent.left",
            Self::Lost { .. } => "agent.lost",
            Self::Interrupted { .. } => "agent.interrupted",
            Self::InterruptAcked {} => "agent.interrupt_acked",
            Self::Cooled { .. } => "agent.cooled",
            Self::BudgetSpent { .. } => "agent.budget_spent",
        }
    }
}
