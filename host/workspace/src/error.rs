//! Why a path could not be used.

use std::io;

use longhouse_core::{InvalidPath, ProjectPath, Verb};
use rustix::io::Errno;

/// Why an operation on a project path failed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// Nothing the caller may know of has this path.
    #[error("no such file or directory")]
    NotFound,
    /// A component that should be a directory is none.
    #[error("not a directory")]
    NotADirectory,
    /// A directory was found where a file was needed.
    #[error("is a directory")]
    IsADirectory,
    /// Something has this path already.
    #[error("already exists")]
    Exists,
    /// The directory has entries.
    #[error("directory is not empty")]
    NotEmpty,
    /// A link leads out of the project, or is absolute.
    #[error("path leads out of the project")]
    OutsideProject,
    /// More links than the kernel would follow.
    #[error("too many symbolic links")]
    TooManyLinks,
    /// Nothing can be changed here.
    #[error("nothing can be changed here: the run was started to read only")]
    ReadOnly,
    /// More would be staged than may be.
    #[error("the run would stage more than its {most} {what}; change less at once, or ask an admin for more")]
    Quota {
        /// Of what: `bytes` or `entries`.
        what: &'static str,
        /// How much may be.
        most: u64,
    },
    /// A component changed while it was being resolved, again and again.
    #[error("path keeps changing while it is being opened")]
    Unstable,
    /// What lay there once is not kept any more, or never was.
    #[error("what lay there before is not kept, so it cannot be brought back")]
    NotKept,
    /// The profile does not grant it.
    #[error("the profile does not grant to {} {path}", verb.as_str())]
    NotGranted {
        /// What was to be done.
        verb: Verb,
        /// Where it would have been done: no link leads there.
        path: ProjectPath,
    },
    /// The path is not one.
    #[error(transparent)]
    Invalid(InvalidPath),
    /// The project's directory cannot be served.
    #[error("the directory ignores the case of names; projects need one that does not")]
    CaseInsensitive,
    /// Whatever else the operating system said.
    #[error("the operating system refused")]
    Io(#[source] io::Error),
}

impl From<Errno> for WorkspaceError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::NotFound,
            Errno::NOTDIR => Self::NotADirectory,
            Errno::ISDIR => Self::IsADirectory,
            Errno::EXIST => Self::Exists,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::LOOP => Self::TooManyLinks,
            other => Self::Io(other.into()),
        }
    }
}

impl From<InvalidPath> for WorkspaceError {
    fn from(error: InvalidPath) -> Self {
        match error {
            // Whoever asks for it learns no more than that there is nothing.
            InvalidPath::Private => Self::NotFound,
            InvalidPath::OutsideProject => Self::OutsideProject,
            InvalidPath::Nul | InvalidPath::TooLong => Self::Invalid(error),
        }
    }
}
