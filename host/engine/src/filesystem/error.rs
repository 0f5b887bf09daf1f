//! What a guest is told when a path cannot be used.

use longhouse_core::InvalidPath;
use longhouse_workspace::WorkspaceError;
use rustix::io::Errno;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// The error as WASI names it.
pub(super) fn code(error: WorkspaceError) -> ErrorCode {
    match error {
        WorkspaceError::NotFound => ErrorCode::NoEntry,
        WorkspaceError::NotADirectory => ErrorCode::NotDirectory,
        WorkspaceError::IsADirectory => ErrorCode::IsDirectory,
        WorkspaceError::Exists => ErrorCode::Exist,
        WorkspaceError::NotEmpty => ErrorCode::NotEmpty,
        WorkspaceError::OutsideProject => ErrorCode::NotPermitted,
        WorkspaceError::NotGranted { .. } => ErrorCode::Access,
        WorkspaceError::ReadOnly => ErrorCode::ReadOnly,
        WorkspaceError::Quota { .. } => ErrorCode::Quota,
        WorkspaceError::TooManyLinks => ErrorCode::Loop,
        WorkspaceError::Unstable => ErrorCode::Busy,
        WorkspaceError::Invalid(InvalidPath::TooLong) => ErrorCode::NameTooLong,
        WorkspaceError::Invalid(InvalidPath::Nul | InvalidPath::Private | InvalidPath::OutsideProject) => {
            ErrorCode::Invalid
        }
        WorkspaceError::CaseInsensitive | WorkspaceError::NotKept => ErrorCode::Io,
        WorkspaceError::Io(source) => match Errno::from_io_error(&source) {
            // Known to WASI, but not to the stock conversion.
            Some(Errno::XDEV) => ErrorCode::CrossDevice,
            Some(Errno::MFILE | Errno::NFILE) => ErrorCode::InsufficientMemory,
            Some(Errno::DQUOT) => ErrorCode::Quota,
            Some(Errno::ROFS) => ErrorCode::ReadOnly,
            Some(Errno::TXTBSY) => ErrorCode::TextFileBusy,
            Some(_) | None => ErrorCode::from(source),
        },
    }
}
