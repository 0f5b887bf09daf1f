//! What a run has for itself: a place for files that are never published.
//!
//! It is a directory of the server's own, which holds nothing but `tmp` and `dev/null`, and each run sees it with changes of
//! its own on top. So it is written to, measured and dropped like everything that a run stages.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use cap_std::fs::Dir;
use longhouse_core::{FileGrants, Isolation, PRIVATE_DIR};
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

use crate::change_set::ChangeSet;
use crate::publish::Files;
use crate::{Quota, Root, View, Workspace, WorkspaceError};

/// The root of what runs have for themselves.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: Arc<Root>,
    files: Arc<Files>,
}

impl Scratch {
    /// In the private directory of a project. What an earlier process left there is dropped.
    pub(crate) fn open(project: &Root) -> Result<Self, WorkspaceError> {
        let scratch = directory(&project.private_dir()?, "scratch")?;
        let dev = directory(&scratch, "dev")?;
        let empty = OFlags::RDONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&dev, "null", empty, Mode::from_raw_mode(0o600))?;
        for name in ["tmp", PRIVATE_DIR] {
            directory(&scratch, name)?;
        }
        let root = Arc::new(Root::of(Dir::from_std_file(File::from(scratch)))?);
        let files = Arc::new(Files::open(Arc::clone(&root))?);
        files.drop_all_staged_but(&BTreeSet::new())?;
        Ok(Self { root, files })
    }
}

fn directory(above: &OwnedFd, name: &str) -> Result<OwnedFd, WorkspaceError> {
    match mkdirat(above, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(above.as_fd(), name, flags, Mode::empty())?)
}

impl Workspace {
    /// A place for a run's own files, in which are `tmp`, empty, and `dev/null`; it goes when nobody has it any more.
    /// `name` is one that no other run ever had: letters, digits and `-`.
    pub fn scratch(&self, name: String, quota: Quota) -> View {
        let Scratch { root, files } = self.scratch_root();
        let set = ChangeSet::new(Arc::clone(files), name, quota, Arc::default(), Isolation::Writes);
        View::new(Arc::clone(root), Arc::new(FileGrants::everything())).with(Arc::new(set))
    }
}
