//! What is stored of messages and shared state.

use std::sync::Arc;

use super::{Message, ProjectProgress};
use crate::{AgentName, ChannelName, MessageId, StateKey, StateVersion, Timestamp};

/// A change to what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TalkRow {
    /// This message was sent; no later one has a lower number.
    Insert(Box<Message>),
    /// This agent acknowledged these messages.
    Ack(AgentName, Vec<MessageId>, Timestamp),
    /// Messages up to this one are of no interest, save to those who have not acknowledged them.
    Forget(MessageId),
    /// It follows the channel.
    Follow(AgentName, ChannelName),
    /// It does not follow it.
    Unfollow(AgentName, ChannelName),
    /// Its inbox is gone, it follows nothing, and what it sent is nobody's.
    RemoveAgent(AgentName),
    /// The key has this value; no later version of any key is lower.
    Set {
        /// Which.
        key: StateKey,
        /// Of the value.
        version: StateVersion,
        /// JSON.
        value: Arc<str>,
        /// By whom.
        by: AgentName,
        /// When.
        at: Timestamp,
    },
    /// The key has no value.
    Delete(StateKey),
    /// The project is this far.
    SetProgress(Box<ProjectProgress>),
}

/// What decisions need of what is stored.
#[derive(Debug, Clone, Default)]
pub struct TalkSeed {
    /// The highest number a message ever had.
    pub last_message: u64,
    /// Of each agent that ever got mail, the last message that came.
    pub received: Vec<(AgentName, MessageId)>,
    /// What was not acknowledged.
    pub unread: Vec<(AgentName, MessageId)>,
    /// Who follows which channel.
    pub follows: Vec<(AgentName, ChannelName)>,
    /// The highest version a value ever had.
    pub last_version: u64,
    /// Keys that have a value, its version, and the length of both in bytes.
    pub keys: Vec<(StateKey, StateVersion, u64)>,
}
