//! What can be asked about messages, shared state and the project's progress.

use std::sync::Arc;

use super::{NewMessage, ProjectProgress};
use crate::{ChannelName, MessageId, StateKey, StateVersion, Timestamp};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TalkCommand {
    /// Send this to all of its recipients, or to none. Workers and up.
    Send(Box<NewMessage>),
    /// Tell when the caller has mail after this message; after its cursor if none is named. Everybody.
    Inbox {
        /// The last message that was read.
        after: Option<MessageId>,
        /// What counts.
        which: Which,
        /// How long to wait for some.
        until: Option<Timestamp>,
    },
    /// The caller has read its message. Everybody.
    Ack(MessageId, Extent),
    /// Messages to this channel come to the caller from now on. Everybody.
    Follow(ChannelName),
    /// They do not any more. Everybody.
    Unfollow(ChannelName),
    /// Put this JSON value there, if the key stands as expected. Workers and up.
    Set(StateKey, Arc<str>, Precondition),
    /// Take away what is there, if the key stands as expected. Workers and up.
    Delete(StateKey, Precondition),
    /// Tell the version, as soon as it is another than `after`. Everybody.
    Look {
        /// Of which key.
        key: StateKey,
        /// The version that is known.
        after: Option<StateVersion>,
        /// How long to wait for another.
        until: Option<Timestamp>,
    },
    /// The project is this far. Coordinators and up.
    SetProgress(Box<ProjectProgress>),
}

/// Which of an agent's messages count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those that it has not acknowledged.
    Unread,
}

/// How much is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// This message.
    One,
    /// It and everything before it.
    UpTo,
}

/// How a key has to stand for a change to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// However it does.
    Any,
    /// There is no value.
    Absent,
    /// There is a value.
    Present,
    /// The value has this version.
    Version(StateVersion),
}

impl Precondition {
    /// Whether a key of this version stands so; [`StateVersion::ABSENT`] if it has no value.
    pub(crate) fn holds(self, current: StateVersion) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => current == StateVersion::ABSENT,
            Self::Present => current != StateVersion::ABSENT,
            Self::Version(version) => current == version && version != StateVersion::ABSENT,
        }
    }
}
