//! What is answered about messages and shared state.

use serde::{Deserialize, Serialize};

use crate::{AgentName, MessageId, StateVersion};

/// The answer to a [`TalkCommand`](super::TalkCommand).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TalkReply {
    /// It lies in their inboxes.
    Sent(Sent),
    /// So much was acknowledged.
    Acked(Acked),
    /// How the caller's inbox stands.
    #[serde(skip)]
    Mail(MailFacts),
    /// The key's version; [`StateVersion::ABSENT`] if it has no value.
    Version(StateVersion),
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Which.
    pub id: MessageId,
    /// Its thread.
    pub thread: MessageId,
    /// In whose inboxes it lies.
    pub to: Vec<AgentName>,
    /// Who of a group did not get it, because their inboxes are full.
    pub left_out: Vec<AgentName>,
}

/// What came of an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// How many were not acknowledged before.
    pub acked: u64,
    /// How many still are not.
    pub unread: u64,
    /// Everything up to this one is acknowledged.
    pub cursor: MessageId,
}

/// How an inbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailFacts {
    /// What is to be read lies after this one.
    pub after: MessageId,
    /// The last message that came.
    pub last: MessageId,
    /// How many are not acknowledged.
    pub unread: u64,
    /// Everything up to this one is acknowledged.
    pub cursor: MessageId,
}
