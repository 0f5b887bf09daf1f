//! What is stored of locks.

use super::Lock;
use crate::LockId;

/// A change to what is stored of locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockRow {
    /// This lock is as given. Its id is never given again, even if the lock is deleted.
    Put(Box<Lock>),
    /// This lock has ended.
    Delete(LockId),
}
