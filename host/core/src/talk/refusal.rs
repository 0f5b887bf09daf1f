//! Why something about messages or shared state was not done.

use super::Recipient;
use crate::{AgentName, MessageId, StateKey, StateVersion, TaskId};

/// Why a [`TalkCommand`](super::TalkCommand) was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TalkRefusal {
    /// The list of recipients is empty or too long.
    #[error("{count} recipients are named; from 1 to {most} are possible")]
    Recipients {
        /// How many.
        count: usize,
        /// How many may be.
        most: usize,
    },
    /// A group without a member besides the sender.
    #[error("{0} reaches nobody but its sender; GET /channels lists who follows what")]
    Nobody(Recipient),
    /// A task without a holder.
    #[error("nobody holds {0} now; name an agent, or leave a note with the task")]
    NotHeld(TaskId),
    /// An inbox takes no more.
    #[error(
        "{agent} has {unread} messages that it has not acknowledged, and its inbox takes no more until it does"
    )]
    InboxFull {
        /// Whose.
        agent: AgentName,
        /// How many lie there.
        unread: usize,
    },
    /// No message that the caller may see.
    #[error("there is no message {0}")]
    NoSuchMessage(MessageId),
    /// A cursor that no message has reached: of another project, or of one that was restored from a back-up.
    #[error("message {after} has not been sent; the last one is {last}. Read again without `after`")]
    Ahead {
        /// The cursor.
        after: MessageId,
        /// The last message.
        last: MessageId,
    },
    /// The agent follows as many channels as it may.
    #[error("{most} channels are followed already; leave one first")]
    TooManyChannels {
        /// How many it may.
        most: usize,
    },
    /// The key does not stand as expected.
    #[error("{key} does not stand as expected: {}", stands(*.current))]
    Stale {
        /// Which.
        key: StateKey,
        /// Its version.
        current: StateVersion,
    },
    /// The key has no value.
    #[error("{0} has no value")]
    NoSuchKey(StateKey),
    /// There is no room.
    #[error("the shared state takes no more than {most} {what}; delete what is not needed")]
    StateFull {
        /// Keys or bytes.
        what: &'static str,
        /// How many.
        most: u64,
    },
}

fn stands(current: StateVersion) -> String {
    if current == StateVersion::ABSENT {
        return "it has no value; read it again and decide anew".to_owned();
    }
    format!("its version is {current}; read it again and decide anew")
}
