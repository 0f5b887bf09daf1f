//! Messages as they are sent and kept.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AgentName, ChannelName, InvalidId, MessageId, Role, TaskId, Timestamp};

/// The longest text of a message, in bytes: 16 KiB.
pub const MAX_MESSAGE: usize = 16 << 10;
/// The longest data of a message, in bytes of JSON: 4 KiB.
pub const MAX_DATA: usize = 4 << 10;

/// How soon a message wants to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Importance {
    /// Some time.
    Low,
    /// With the next look.
    #[default]
    Normal,
    /// Before going on.
    High,
    /// At once.
    Urgent,
}

impl Importance {
    /// Its name, as the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

impl FromStr for Importance {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        [Self::Low, Self::Normal, Self::High, Self::Urgent]
            .into_iter()
            .find(|importance| importance.as_str() == text)
            .ok_or_else(|| InvalidId::new(text, "an importance (low, normal, high or urgent)"))
    }
}

/// Whom a message is for, as its sender says it; written `ben`, `#billing`, `@role:worker`, `@task:t12`, `@everyone`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Recipient {
    /// This agent.
    Agent(AgentName),
    /// Every other agent of this role.
    Role(Role),
    /// Whoever holds this task.
    Holder(TaskId),
    /// Everybody else who follows this channel.
    Channel(ChannelName),
    /// Every other agent.
    Everyone,
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(name) => name.fmt(f),
            Self::Role(role) => write!(f, "@role:{role}"),
            Self::Holder(task) => write!(f, "@task:{task}"),
            Self::Channel(name) => write!(f, "#{name}"),
            Self::Everyone => f.write_str("@everyone"),
        }
    }
}

impl FromStr for Recipient {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if let Some(channel) = text.strip_prefix('#') {
            return channel.parse().map(Self::Channel);
        }
        match text.strip_prefix('@') {
            None => text.parse().map(Self::Agent),
            Some("everyone") => Ok(Self::Everyone),
            Some(group) => match group.split_once(':') {
                Some(("role", role)) => role.parse().map(Self::Role),
                Some(("task", task)) => task.parse().map(Self::Holder),
                Some(_) | None => Err(InvalidId::new(
                    text,
                    "a recipient (an agent's name, #channel, @role:ROLE, @task:ID or @everyone)",
                )),
            },
        }
    }
}

impl TryFrom<String> for Recipient {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> Self {
        recipient.to_string()
    }
}

/// Text or data that no message may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// It says nothing.
    #[error("is empty")]
    NoText,
    /// It is too long.
    #[error("has {length} bytes; at most {most} are possible: write the rest into a file and name that")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// How long it is.
        length: usize,
        /// How long it may be.
        most: usize,
    },
}

/// What is read of a message. Stays in the database, not in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageBody {
    text: Arc<str>,
    data: Option<Arc<str>>,
}

impl MessageBody {
    /// A body within the limits; `data` is JSON.
    ///
    /// # Errors
    /// When it is empty or too long.
    pub fn new(text: &str, data: Option<&str>) -> Result<Self, InvalidMessage> {
        if text.is_empty() {
            return Err(InvalidMessage::NoText);
        }
        let parts = [("text", text.len(), MAX_MESSAGE), ("data", data.map_or(0, str::len), MAX_DATA)];
        for (field, length, most) in parts {
            if length > most {
                return Err(InvalidMessage::TooLong { field, length, most });
            }
        }
        Ok(Self { text: text.into(), data: data.map(Into::into) })
    }

    /// What it says.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What a program reads of it: JSON.
    pub fn data(&self) -> Option<&str> {
        self.data.as_deref()
    }
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Whom it is for.
    pub to: Vec<Recipient>,
    /// The first message of the thread that it goes on with; it begins one if there is none.
    pub thread: Option<MessageId>,
    /// How soon it wants to be read.
    pub importance: Importance,
    /// Whether its sender waits for it to be acknowledged.
    pub ack: bool,
    /// What it says.
    pub body: MessageBody,
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place among all messages.
    pub id: MessageId,
    /// By whom.
    pub from: AgentName,
    /// When.
    pub at: Timestamp,
    /// The first message of its thread.
    pub thread: MessageId,
    /// What was asked for.
    pub new: NewMessage,
    /// In whose inboxes it lies, in the order of their names.
    pub to: Vec<AgentName>,
}

/// How far the project is, as a coordinator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectProgress {
    /// Steps that are done.
    pub current_step: u64,
    /// Steps that there are.
    pub total_steps: u64,
    /// In a word or two.
    pub status: String,
    /// In a line.
    pub message: String,
    /// Who said so.
    pub set_by: Option<AgentName>,
    /// When.
    pub at_ms: Timestamp,
}
