//! Changing what the directory holds.
//!
//! Each change acts on a directory that was found, and one name in it. The name's link is not followed.

use longhouse_core::{ProjectPath, Verb};
use rustix::fs::{
    AtFlags, Mode, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, mkdirat, renameat, statat, unlinkat,
    utimensat,
};
use rustix::io::Errno;

use crate::resolve::Found;
use crate::{Follow, Kind, View, WorkspaceError};

/// New times of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Of the last access.
    pub accessed: NewTime,
    /// Of the last change of content.
    pub modified: NewTime,
}

/// What a time of a file becomes.
#[derive(Debug, Clone, Copy, Default)]
pub enum NewTime {
    /// What it is.
    #[default]
    Unchanged,
    /// What the file system's clock says.
    Now,
    /// This.
    At {
        /// Seconds since the Unix epoch.
        seconds: i64,
        /// Nanoseconds after that, less than a second's.
        nanoseconds: u32,
    },
}

impl View {
    /// Makes a directory.
    ///
    /// # Errors
    /// When its parent does not exist, something has its path, or it may not be created.
    pub fn create_dir(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        let (parent, name) = self.parent_of(path)?;
        self.check(Verb::Create, &parent.path.join(name)?)?;
        // The umask takes from this what new directories should not have.
        Ok(mkdirat(&parent.fd, name, Mode::from_raw_mode(0o777))?)
    }

    /// Removes a file or a link, not what the link leads to.
    ///
    /// # Errors
    /// When it does not exist, is a directory, or may not be removed.
    pub fn remove_file(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        self.remove(path, AtFlags::empty())
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it does not exist, is none, has entries, or may not be removed.
    pub fn remove_dir(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        self.remove(path, AtFlags::REMOVEDIR)
    }

    fn remove(&self, path: &ProjectPath, flags: AtFlags) -> Result<(), WorkspaceError> {
        let (parent, name) = self.parent_of(path)?;
        let found = self.find(path, Follow::No)?;
        self.check(Verb::Delete, &found.path)?;
        Ok(unlinkat(&parent.fd, name, flags)?)
    }

    /// Moves `from` to `to`, in place of a file or an empty directory that is there. It needs the right to read and to
    /// delete the one, and to create the other, or to write what it replaces; of a directory, for all that is beneath.
    ///
    /// # Errors
    /// As the system call of that name. What is not visible can be neither moved nor replaced; a directory in which
    /// something may not be moved is not empty.
    pub fn rename(&self, from: &ProjectPath, to: &ProjectPath) -> Result<(), WorkspaceError> {
        let (from_parent, from_name) = self.parent_of(from)?;
        let (to_parent, to_name) = self.parent_of(to)?;
        let source = self.find(from, Follow::No)?;
        let target = to_parent.path.join(to_name)?;
        self.check(Verb::Read, &source.path)?;
        self.check(Verb::Delete, &source.path)?;
        match self.find(to, Follow::No) {
            Ok(replaced) => self.check(Verb::Write, &replaced.path)?,
            Err(WorkspaceError::NotFound) => {
                self.check(Verb::Create, &target)?;
                match statat(&to_parent.fd, to_name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => {}
                    Ok(_) => return Err(WorkspaceError::Exists),
                    Err(errno) => return Err(errno.into()),
                }
            }
            Err(error) => return Err(error),
        }
        if source.stat.kind == Kind::Directory {
            self.check_beneath(&source.path, &target)?;
        }
        Ok(renameat(&from_parent.fd, from_name, &to_parent.fd, to_name)?)
    }

    /// Sets the times of `path`.
    ///
    /// # Errors
    /// When it does not exist, leads outside, or may not be changed.
    pub fn set_times(&self, path: &ProjectPath, follow: Follow, times: Times) -> Result<(), WorkspaceError> {
        let times = Timestamps {
            last_access: times.accessed.timespec(),
            last_modification: times.modified.timespec(),
        };
        let found = self.find(path, follow)?;
        self.check(Verb::Write, &found.path)?;
        if found.path.is_root() {
            return Ok(utimensat(&found.fd, ".", &times, AtFlags::empty())?);
        }
        let (parent, name) = self.parent_of(&found.path)?;
        Ok(utimensat(&parent.fd, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Passes if all that is beneath `path`, should it be a directory, may be removed, or moved to another path.
    pub(crate) fn check_all_beneath(
        &self,
        path: &ProjectPath,
        to: Option<&ProjectPath>,
    ) -> Result<(), WorkspaceError> {
        if self.find(path, Follow::No)?.stat.kind != Kind::Directory {
            return Ok(());
        }
        match to {
            Some(to) => self.check_beneath(path, to),
            None => self.check_removal(path),
        }
    }

    fn check_removal(&self, directory: &ProjectPath) -> Result<(), WorkspaceError> {
        if self.grants.grant_everywhere(Verb::Delete) {
            return Ok(());
        }
        for (name, is_directory) in self.root.all_names(directory)? {
            let path = directory.join(&name).map_err(|_| WorkspaceError::NotEmpty)?;
            if !self.grants(Verb::Delete, &path) {
                return Err(WorkspaceError::NotEmpty);
            }
            if is_directory {
                self.check_removal(&path)?;
            }
        }
        Ok(())
    }

    /// Passes if all that is beneath a directory may be moved with it, what its viewer may not know of included.
    fn check_beneath(&self, from: &ProjectPath, to: &ProjectPath) -> Result<(), WorkspaceError> {
        let everywhere = |verb| self.grants.grant_everywhere(verb);
        if everywhere(Verb::Read) && everywhere(Verb::Delete) && everywhere(Verb::Create) {
            return Ok(());
        }
        for (name, is_directory) in self.root.all_names(from)? {
            let (Ok(from), Ok(to)) = (from.join(&name), to.join(&name)) else {
                return Err(WorkspaceError::NotEmpty);
            };
            let is_granted = self.grants(Verb::Read, &from)
                && self.grants(Verb::Delete, &from)
                && self.grants(Verb::Create, &to);
            if !is_granted {
                return Err(WorkspaceError::NotEmpty);
            }
            if is_directory {
                self.check_beneath(&from, &to)?;
            }
        }
        Ok(())
    }

    /// The directory that holds `path`, links on the way followed, and the name in it.
    pub(crate) fn parent_of<'a>(&self, path: &'a ProjectPath) -> Result<(Found, &'a str), WorkspaceError> {
        // What the kernel says of a mount point, which the root is like.
        let (parent, name) = path.split_last().ok_or(Errno::BUSY)?;
        let found = self.find(&parent, Follow::Last)?;
        match found.stat.kind {
            Kind::Directory => Ok((found, name)),
            Kind::File | Kind::Link => Err(WorkspaceError::NotADirectory),
        }
    }
}

impl NewTime {
    const fn timespec(self) -> Timespec {
        match self {
            Self::Unchanged => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            Self::Now => Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
            Self::At { seconds, nanoseconds } => Timespec { tv_sec: seconds, tv_nsec: nanoseconds as _ },
        }
    }
}
