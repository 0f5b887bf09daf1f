//! Reading one directory.

use longhouse_core::{PRIVATE_DIR, ProjectPath};
use rustix::fs::{AtFlags, Dir, DirEntry, statat};

use crate::stat::Identity;
use crate::{Kind, OpenOptions, Root, Stat, WorkspaceError};

/// What is visible in one directory, read as it is asked for, in no order. Names that are not UTF-8 are left
/// out, as what is invisible is.
pub struct ReadDir {
    dir: Dir,
    private: Option<Identity>,
}

/// Something in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Child {
    /// What it is called there.
    pub name: String,
    /// What it is; links are not followed.
    pub kind: Kind,
}

impl Root {
    /// Begins to read the directory `path`, and holds it open until dropped.
    ///
    /// # Errors
    /// When it does not exist, leads outside, or is no directory.
    pub fn read_dir(&self, path: &ProjectPath) -> Result<ReadDir, WorkspaceError> {
        let opened = self.open_at(path, OpenOptions { directory: true, ..OpenOptions::default() })?;
        Ok(ReadDir { dir: Dir::new(opened.file)?, private: self.private })
    }
}

impl ReadDir {
    /// The facts of a child that is still there.
    pub(crate) fn stat(&self, name: &str) -> Option<Stat> {
        let stat = statat(self.dir.fd().ok()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Stat::of(&stat).filter(|stat| Some(stat.identity) != self.private)
    }

    fn visible(&self, entry: &DirEntry) -> Option<Child> {
        let name = entry.file_name().to_str().ok()?;
        if matches!(name, "." | ".." | PRIVATE_DIR) {
            return None;
        }
        let kind = match Kind::of(entry.file_type()) {
            Some(kind) if !self.private.is_some_and(|private| private.has_inode(entry.ino())) => kind,
            // Either hidden, or of a file system that does not tell kinds here, or perhaps the private directory.
            Some(_) | None => self.stat(name)?.kind,
        };
        Some(Child { name: name.to_owned(), kind })
    }
}

impl Iterator for ReadDir {
    type Item = Result<Child, WorkspaceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.dir.next()? {
                Ok(entry) => {
                    if let Some(child) = self.visible(&entry) {
                        return Some(Ok(child));
                    }
                }
                Err(errno) => return Some(Err(errno.into())),
            }
        }
    }
}
