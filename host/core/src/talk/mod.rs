//! What agents say to each other: messages, shared state, and how far the project is.

mod board;
mod command;
mod event;
mod mail;
mod message;
mod refusal;
mod reply;
mod row;
mod waiting;

pub(crate) use board::Board;
pub use command::{Extent, Precondition, TalkCommand, Which};
pub use event::TalkEvent;
pub(crate) use mail::{MAX_CHANNELS, Mail};
pub use message::{
    Importance, InvalidMessage, MAX_DATA, MAX_MESSAGE, Message, MessageBody, NewMessage, ProjectProgress,
    Recipient,
};
pub use refusal::TalkRefusal;
pub use reply::{Acked, MailFacts, Sent, TalkReply};
pub use row::{TalkRow, TalkSeed};
pub(crate) use waiting::{On, Subject, Wait, Waits};

/// Everything of it that decisions need. Texts and values stay in the database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Talk {
    pub(crate) mail: Mail,
    pub(crate) board: Board,
    pub(crate) waits: Waits,
}

impl Talk {
    pub(crate) fn rebuild(seed: TalkSeed) -> Self {
        let TalkSeed { last_message, received, unread, follows, last_version, keys } = seed;
        Self {
            mail: Mail::rebuild(last_message, received, unread, follows),
            board: Board::rebuild(last_version, keys),
            waits: Waits::default(),
        }
    }
}
