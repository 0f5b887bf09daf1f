//! Locks on paths: who holds which, and who waits for which.

mod command;
mod event;
mod refusal;
mod reply;
mod row;
mod state;
mod table;

pub use command::{Authority, Changes, LockCommand, LockRequest};
pub use event::{AboutLock, LockEvent, ReleaseCause};
pub use refusal::LockRefusal;
pub use reply::{LockReply, LockWaiter, LocksFound, Taken};
pub use row::LockRow;
pub use state::{Holder, Lock, LockMode, LockTerms};
pub(crate) use table::{Locks, WaitingLock};
