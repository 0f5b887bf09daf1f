//! Changing what the directory holds.

use std::os::fd::OwnedFd;

use longhouse_core::ProjectPath;
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, mkdirat, renameat, unlinkat, utimensat};

use crate::resolve::target;
use crate::{Follow, Kind, Root, Stat, WorkspaceError};

/// New times of a file: seconds and nanoseconds since the Unix epoch, each left alone when absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// Of the last access.
    pub accessed: Option<(i64, u32)>,
    /// Of the last change of content.
    pub modified: Option<(i64, u32)>,
}

impl Root {
    /// What `path` is.
    ///
    /// # Errors
    /// When it does not exist or leads outside.
    pub fn stat(&self, path: &ProjectPath, follow: Follow) -> Result<Stat, WorkspaceError> {
        Ok(self.find(path, follow)?.stat)
    }

    /// Where the link `path` points, as it was written.
    ///
    /// # Errors
    /// When it does not exist or is no link.
    pub fn read_link(&self, path: &ProjectPath) -> Result<String, WorkspaceError> {
        let found = self.find(path, Follow::No)?;
        match found.stat.kind {
            Kind::Link => target(&found.fd),
            Kind::File | Kind::Directory => Err(WorkspaceError::Io(rustix::io::Errno::INVAL.into())),
        }
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// When its parent does not exist or something has its path.
    pub fn create_dir(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        let (parent, name) = self.parent_of(path)?;
        Ok(mkdirat(&parent, name, Mode::from_raw_mode(0o777))?)
    }

    /// Removes a file or a link, not what the link leads to.
    ///
    /// # Errors
    /// When it does not exist or is a directory.
    pub fn remove_file(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        self.find(path, Follow::No)?;
        let (parent, name) = self.parent_of(path)?;
        Ok(unlinkat(&parent, name, AtFlags::empty())?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it does not exist, is none, or has entries.
    pub fn remove_dir(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        self.find(path, Follow::No)?;
        let (parent, name) = self.parent_of(path)?;
        Ok(unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
    }

    /// Moves `from` to `to`, in place of a file or an empty directory that is there.
    ///
    /// # Errors
    /// As the system call of that name.
    pub fn rename(&self, from: &ProjectPath, to: &ProjectPath) -> Result<(), WorkspaceError> {
        self.find(from, Follow::No)?;
        let (from_parent, from_name) = self.parent_of(from)?;
        let (to_parent, to_name) = self.parent_of(to)?;
        Ok(renameat(&from_parent, from_name, &to_parent, to_name)?)
    }

    /// Sets the times of `path`.
    ///
    /// # Errors
    /// When it does not exist or leads outside.
    pub fn set_times(&self, path: &ProjectPath, follow: Follow, times: Times) -> Result<(), WorkspaceError> {
        let found = self.find(path, follow)?;
        let (parent, name) = self.parent_of(&found.path)?;
        let spec = |time: Option<(i64, u32)>| match time {
            Some((seconds, nanoseconds)) => Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
            None => Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        };
        let times = Timestamps { last_access: spec(times.accessed), last_modification: spec(times.modified) };
        Ok(utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// The directory that holds `path`, links on the way followed, and the name in it.
    fn parent_of<'a>(&self, path: &'a ProjectPath) -> Result<(OwnedFd, &'a str), WorkspaceError> {
        let (parent, name) = path.split_last().ok_or(WorkspaceError::Io(rustix::io::Errno::BUSY.into()))?;
        let found = self.find(&parent, Follow::Last)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        Ok((self.beneath.open(&found.path, flags, Mode::empty())?, name))
    }
}
