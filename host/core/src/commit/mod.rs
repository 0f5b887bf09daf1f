//! Changes to the project's files on their way to being published: who reserved which paths, what was decided, and
//! what of it is not finished.
//!
//! The stages, in order: *reserved* (in memory alone, until a deadline), *intended* (numbered and durable before
//! anything is moved), *published* (readers see it; its paths are free for the next), *retired* (nothing of it can be
//! lost any more), or *aborted*. What had been intended and not finished when a server ended is recovered by the next.

mod author;
mod command;
mod event;
mod gate;
mod node;
mod number;
mod record;
mod redo;
mod refusal;
mod reply;
mod requests;
mod reservation;
mod row;
mod sets;
mod state;
mod table;
mod version;

pub use author::{Author, Authorship};
pub use command::{CommitCommand, ReserveRequest, Undo};
pub use event::{AboutCommit, CommitEvent};
pub use gate::{CommitGate, GateError, Granted, Journaled};
pub use number::{CommitNumber, ReservationId};
pub use record::{Abort, Commit, CommitSeed, CommitStatus, Unfinished};
pub use redo::{Change, EntryName, Operation, RedoList};
pub use refusal::CommitRefusal;
pub use reply::{CommitReply, Reserved};
pub use reservation::{Reads, Reservation};
pub use row::CommitRow;
pub(crate) use sets::{Follower, LiveSet, SetFacts, WaitingSet};
pub(crate) use state::Commits;
pub use version::{EntryKind, Version};
