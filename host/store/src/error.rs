//! What can go wrong with the store. None of it is a caller's fault, save being one too many.

use std::path::PathBuf;

use longhouse_core::Suspended;
use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// A failure of the database or the disk under it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The linked SQLite may corrupt a database in WAL mode.
    #[error("SQLite {found} has the WAL-reset bug; at least {needed} is required")]
    SqliteTooOld {
        /// What is linked.
        found: &'static str,
        /// The first version without the bug.
        needed: &'static str,
    },
    /// The file is a database of some other program.
    #[error("{} is not a Longhouse database", .0.display())]
    NotOurs(PathBuf),
    /// A newer Longhouse wrote it; migrations go forward only.
    #[error("the database has schema {found}, and this version knows up to {known}; use a newer Longhouse")]
    SchemaTooNew {
        /// What the file has.
        found: u32,
        /// What this program knows.
        known: u32,
    },
    /// SQLite's own check found damage.
    #[error("the database is damaged: {0}; restore a back-up")]
    Damaged(String),
    /// A stored value is not one that this program writes.
    #[error("the database holds an impossible value in {column}: {value:?}")]
    Impossible {
        /// Table and column.
        column: &'static str,
        /// What is there.
        value: String,
    },
    /// A value that has no form to be stored in.
    #[error("a value cannot be stored")]
    Unwritable(#[source] serde_json::Error),
    /// SQLite refused or failed.
    #[error("the database failed")]
    Sqlite(#[from] rusqlite::Error),
    /// Some other connection reads what has to be moved out of the WAL.
    #[error("the WAL is in use")]
    WalInUse,
    /// A read was not finished.
    #[error("the read was cut off")]
    ReadCutOff,
    /// A thread could not be started.
    #[error("could not start the store's thread")]
    Thread(#[source] std::io::Error),
}

impl StoreError {
    /// Why a project whose database failed so cannot be changed for now.
    pub(crate) fn suspends(&self) -> Suspended {
        match self {
            Self::Sqlite(error) if is_full(error) => Suspended::StorageFull,
            Self::Sqlite(_)
            | Self::SqliteTooOld { .. }
            | Self::NotOurs(_)
            | Self::SchemaTooNew { .. }
            | Self::Damaged(_)
            | Self::Impossible { .. }
            | Self::Unwritable(_)
            | Self::ReadCutOff
            | Self::WalInUse
            | Self::Thread(_) => Suspended::StorageFailed,
        }
    }
}

/// Whether SQLite found no room: in the database or the WAL, or for the WAL's index, where its code does not say so.
fn is_full(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.code == ErrorCode::DiskFull || error.extended_code == SQLITE_IOERR_SHMSIZE)
}

/// Why a command got no reply from the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Too many commands wait; nothing was done.
    #[error("the coordinator has too many commands waiting")]
    Busy,
    /// The batch could not be made durable, or may have been: ask again with the same idempotency key.
    #[error("it is not known whether the command was committed")]
    CommitUnknown,
    /// The project cannot be changed for now; nothing was done.
    #[error("{0}; nothing was done")]
    Suspended(Suspended),
    /// The project is being closed; nothing was done.
    #[error("the project is closed")]
    Closed,
}

/// Why the project cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process serves it, or works on its database.
    #[error("another longhouse process (pid {pid}) has this project open")]
    Held {
        /// As it wrote into the lock file; `unknown` when it could not be read.
        pid: String,
    },
    /// The lock file could not be opened or locked.
    #[error("could not lock {}", .path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
