//! Why nothing can be changed for now.

/// Why a project can be read, and not changed until that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Suspended {
    /// There is no room for the database.
    #[error("the disk that the project's database is on is full")]
    StorageFull,
    /// It cannot be written for another reason, which is in the log.
    #[error("the project's database cannot be written")]
    StorageFailed,
    /// The coordinator begins again after a mistake of its own.
    #[error("the coordinator begins again after a failure")]
    Restarting,
}
