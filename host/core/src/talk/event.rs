//! What happened to messages, shared state and the project's progress. No texts, no values.

use serde::Serialize;

use super::{Importance, ProjectProgress, Recipient};
use crate::{AgentName, ChannelName, MessageId, StateKey, StateVersion};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TalkEvent {
    /// A message lies in these inboxes.
    Sent {
        /// Which.
        message: MessageId,
        /// Its thread.
        thread: MessageId,
        /// In whose.
        to: Vec<AgentName>,
        /// Whom its sender named.
        addressed: Vec<Recipient>,
        /// How soon it wants to be read.
        importance: Importance,
        /// Whether its sender waits for it to be acknowledged.
        ack: bool,
    },
    /// Its reader acknowledged it, alone or with what came before.
    Acked {
        /// Which; the last of them.
        message: MessageId,
        /// How many were not acknowledged before.
        count: u64,
    },
    /// The agent follows a channel.
    Followed {
        /// Which.
        channel: ChannelName,
    },
    /// It does not any more.
    Unfollowed {
        /// Which.
        channel: ChannelName,
    },
    /// A key has another value.
    StateSet {
        /// Which.
        key: StateKey,
        /// The value's version.
        version: StateVersion,
        /// The value's length.
        bytes: u64,
    },
    /// A key has no value any more.
    StateDeleted {
        /// Which.
        key: StateKey,
        /// The version that is gone.
        version: StateVersion,
    },
    /// A coordinator said how far the project is.
    ProgressSet(Box<ProjectProgress>),
}

impl TalkEvent {
    /// The type as the API writes it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Sent { .. } => "message.sent",
            Self::Acked { .. } => "message.acked",
            Self::Followed { .. } => "channel.followed",
            Self::Unfollowed { .. } => "channel.unfollowed",
            Self::StateSet { .. } => "state.set",
            Self::StateDeleted { .. } => "state.deleted",
            Self::ProgressSet(_) => "progress.set",
        }
    }
}
