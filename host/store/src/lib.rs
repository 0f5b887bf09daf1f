//! Where a project's coordination state is kept, and the loop that owns it.
//!
//! The only crate with SQL. [`Coordinator`] is the owner with a mailbox: one thread steps commands through
//! `longhouse-core`, another makes batches durable in SQLite, and nobody is answered before that.

mod clock;
mod coordinator;
mod database;
mod error;
mod gate;
mod ledger;
mod load;
mod lock;
mod migrations;
mod owner;
mod readers;
mod reads;
mod recent;
mod rows;
mod stage;
#[cfg(test)]
mod tests;
mod writer;

pub use clock::{Clock, SystemClock};
pub use coordinator::{Coordinator, OpenOptions};
pub use error::{LockError, StoreError, SubmitError};
pub use ledger::Ledger;
pub use lock::ProjectLock;
pub use reads::{History, Reads, RunFilter};
pub use rows::changes::ChangeAt;
pub use rows::commits::{CommitFilter, CommitRecord};
pub use rows::denials::{DenialFilter, StoredDenial};
pub use rows::events::{EventFilter, StoredEvent};
pub use rows::messages::{End, MessageFilter, StoredMessage};
pub use rows::shared::{KeyFilter, SharedKey, SharedValue};
pub use rows::tasks::{TaskFilter, TaskRecord};
