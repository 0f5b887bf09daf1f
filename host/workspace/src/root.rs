//! The handle of a project's directory.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhouse_core::PRIVATE_DIR;
use rustix::fs::{AtFlags, statat};

use crate::WorkspaceError;
use crate::beneath::Beneath;
use crate::stat::Identity;

/// A project's directory. Every path is beneath it.
#[derive(Debug)]
pub struct Root {
    pub(crate) beneath: Beneath,
    /// The private directory itself: a second way to recognise it, should a name ever not be enough.
    pub(crate) private: Option<Identity>,
}

impl Root {
    /// Opens the project at `path`: the only time that an ambient path is used.
    ///
    /// # Errors
    /// When it is no directory, cannot be opened, or ignores the case of names, so that one file would have
    /// many paths.
    pub fn open(path: &Path) -> Result<Self, WorkspaceError> {
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(WorkspaceError::Io)?;
        let identity =
            |name: &str| statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW).ok().map(|s| Identity::of(&s));
        let private = identity(PRIVATE_DIR);
        if private.is_some() && private == identity(&PRIVATE_DIR.to_ascii_uppercase()) {
            return Err(WorkspaceError::CaseInsensitive);
        }
        Ok(Self { beneath: Beneath::new(dir), private })
    }
}
