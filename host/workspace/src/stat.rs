//! What is known of a file without reading it.

use std::os::fd::AsFd;

use longhouse_core::ProjectPath;
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use crate::resolve::target;
use crate::{Follow, View, WorkspaceError};

/// What a path leads to. Nothing else is visible: FIFOs, sockets and devices do not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link that was not followed.
    Link,
}

impl Kind {
    pub(crate) const fn of(kind: FileType) -> Option<Self> {
        match kind {
            FileType::RegularFile => Some(Self::File),
            FileType::Directory => Some(Self::Directory),
            FileType::Symlink => Some(Self::Link),
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => None,
        }
    }
}

/// Facts about a file, as of when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Content in bytes; for a link, the length of its target.
    pub size: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Hard links to it.
    pub links: u64,
    /// Seconds and nanoseconds since the Unix epoch of the last access.
    pub accessed: (i64, u32),
    /// The same of the last change of content.
    pub modified: (i64, u32),
    /// The same of the last change of content or attributes.
    pub changed: (i64, u32),
    /// Device and inode: equal for two paths to one file.
    pub identity: Identity,
}

/// Which file it is, on this machine, while it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(crate) const fn of(stat: &rustix::fs::Stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino }
    }

    pub(crate) const fn numbers(self) -> (u64, u64) {
        (self.device, self.inode)
    }

    pub(crate) const fn of_numbers(device: u64, inode: u64) -> Self {
        Self { device, inode }
    }

    pub(crate) const fn has_inode(self, inode: u64) -> bool {
        self.inode == inode
    }

    /// 128 bits that are equal for the same file and differ for others; those of the first half nearly always.
    pub const fn digest(self) -> (u64, u64) {
        // Devices are few and their numbers small; spread over the upper bits they leave inodes alone.
        (self.inode ^ self.device.rotate_right(20), self.device)
    }
}

impl View {
    /// What `path` is.
    ///
    /// # Errors
    /// When it does not exist or leads outside.
    pub fn stat(&self, path: &ProjectPath, follow: Follow) -> Result<Stat, WorkspaceError> {
        let found = self.find(path, follow);
        self.looked(path, &found)?;
        Ok(found?.stat)
    }

    /// Whether something is seen at `path`. That somebody asked is not put on record, and does not count as having looked.
    pub fn has(&self, path: &ProjectPath) -> bool {
        self.look(path).is_ok()
    }

    /// Where the link `path` points, as it was written.
    ///
    /// # Errors
    /// When it does not exist or is no link.
    pub fn read_link(&self, path: &ProjectPath) -> Result<String, WorkspaceError> {
        let found = self.find(path, Follow::No);
        self.looked(path, &found)?;
        let found = found?;
        match found.stat.kind {
            Kind::Link => target(&found.fd),
            Kind::File | Kind::Directory => Err(Errno::INVAL.into()),
        }
    }
}

impl Stat {
    /// The facts in `stat`; `None` of what is invisible.
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Option<Self> {
        let kind = Kind::of(FileType::from_raw_mode(stat.st_mode))?;
        let nanoseconds = |ns| u32::try_from(ns).unwrap_or(0);
        #[allow(clippy::useless_conversion, reason = "the C types differ between architectures")]
        Some(Self {
            kind,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            executable: stat.st_mode & 0o100 != 0,
            links: u64::from(stat.st_nlink),
            accessed: (stat.st_atime.into(), nanoseconds(stat.st_atime_nsec)),
            modified: (stat.st_mtime.into(), nanoseconds(stat.st_mtime_nsec)),
            changed: (stat.st_ctime.into(), nanoseconds(stat.st_ctime_nsec)),
            identity: Identity::of(stat),
        })
    }

    /// The facts of an open file or directory.
    ///
    /// # Errors
    /// When the operating system fails, or it is something else.
    pub fn of_open(file: impl AsFd) -> Result<Self, WorkspaceError> {
        Self::of(&fstat(file)?).ok_or(WorkspaceError::NotFound)
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == Kind::Directory
    }

    /// Milliseconds since the Unix epoch of the last change of content; 0 before it.
    pub fn modified_ms(&self) -> u64 {
        let (seconds, nanoseconds) = self.modified;
        u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000) + u64::from(nanoseconds / 1_000_000)
    }
}
