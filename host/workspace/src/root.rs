//! The handle of a project's directory.

use std::os::fd::OwnedFd;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use longhouse_core::{PRIVATE_DIR, ProjectPath};
use rustix::fs::{Mode, OFlags, openat};

use crate::WorkspaceError;
use crate::beneath::Beneath;
use crate::stat::Identity;
use crate::version::Versions;

/// A project's directory. Every path is beneath it.
#[derive(Debug)]
pub struct Root {
    pub(crate) beneath: Beneath,
    /// The private directory itself: a second way to recognise it, should a name ever not be enough.
    pub(crate) private: Option<Identity>,
    pub(crate) versions: Versions,
}

impl Root {
    /// Opens the project at `path`: the only time that an ambient path is used.
    ///
    /// Its private directory should exist by then. If not, it is recognised by its name alone, and whether the
    /// directory ignores the case of names cannot be told.
    ///
    /// # Errors
    /// When it is no directory, cannot be opened, or ignores the case of names, so that one file would have
    /// many paths.
    pub fn open(path: &Path) -> Result<Self, WorkspaceError> {
        Self::of(Dir::open_ambient_dir(path, ambient_authority()).map_err(WorkspaceError::Io)?)
    }

    /// The project in this directory, as [`Root::open`].
    pub(crate) fn of(dir: Dir) -> Result<Self, WorkspaceError> {
        let beneath = Beneath::new(dir);
        if ignores_case(|name| beneath.identity(name)) {
            return Err(WorkspaceError::CaseInsensitive);
        }
        let private = beneath.identity(PRIVATE_DIR);
        Ok(Self { beneath, private, versions: Versions::default() })
    }

    /// Opens the private directory: the one way to it.
    pub(crate) fn private_dir(&self) -> Result<OwnedFd, WorkspaceError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(self.beneath.dir(), PRIVATE_DIR, flags, Mode::empty())?)
    }

    /// Whether what `identity` is, at the link-free `path`, is the private directory or lies in it, whatever
    /// it is called.
    pub(crate) fn is_private(&self, path: &ProjectPath, identity: Identity) -> bool {
        let Some(private) = self.private else { return false };
        // While it is in its place it is nowhere else: one look there saves one at every directory on the way.
        let in_place = || self.beneath.identity(PRIVATE_DIR) == Some(private);
        identity == private
            || (!in_place() && self.beneath.identities_above(path).any(|above| above == private))
    }
}

/// Whether the private directory answers to another spelling of its name.
fn ignores_case(identity: impl Fn(&str) -> Option<Identity>) -> bool {
    let private = identity(PRIVATE_DIR);
    private.is_some() && private == identity(&PRIVATE_DIR.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_answers_to_two_spellings_is_recognised() {
        let stat = rustix::fs::stat(".").unwrap();
        let is = |name: &str, expected: &str| (name == expected).then(|| Identity::of(&stat));
        assert!(ignores_case(|name| is(&name.to_lowercase(), PRIVATE_DIR)));
        assert!(!ignores_case(|name| is(name, PRIVATE_DIR)));
        assert!(!ignores_case(|_| None));
    }
}
