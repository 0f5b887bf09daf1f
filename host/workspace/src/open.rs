//! The one function that opens project files.

use std::fs::File;

use longhouse_core::{ProjectPath, Verb};
use rustix::fs::{Mode, OFlags, fstat, openat};

use crate::resolve::{Found, settle};
use crate::{Follow, Kind, Stat, View, WorkspaceError};

/// How a file is to be opened. The default opens an existing file or directory for reading.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    /// Content will be changed.
    pub write: bool,
    /// Content will be read; a file opened for neither is opened for reading.
    pub read: bool,
    /// What to do when there is none.
    pub create: Create,
    /// Cut existing content to nothing.
    pub truncate: bool,
    /// Accept a directory only.
    pub directory: bool,
    /// A link as the last component is an error, not followed.
    pub no_follow: bool,
}

/// What to do when a file that is to be opened does not exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Create {
    /// Fail.
    #[default]
    No,
    /// Create it; open what is there otherwise.
    IfMissing,
    /// Create it; fail if anything is there.
    New,
}

/// An open file or directory.
#[derive(Debug)]
pub struct Opened {
    /// The descriptor.
    pub file: File,
    /// What it was when it was opened.
    pub stat: Stat,
    /// Where it really is: without links.
    pub path: ProjectPath,
}

/// A regular file, open for reading.
pub type OpenFile = Opened;

impl View {
    /// Opens `path`, following links beneath the root only.
    ///
    /// # Errors
    /// When it does not exist, leads outside, is neither a file nor a directory, may not be opened so, or cannot be.
    pub fn open_at(&self, path: &ProjectPath, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        settle(|| self.try_open(path, options))
    }

    /// Opens the regular file `path` for reading.
    ///
    /// # Errors
    /// As [`View::open_at`]; a directory is [`WorkspaceError::IsADirectory`].
    pub fn read_file(&self, path: &ProjectPath) -> Result<OpenFile, WorkspaceError> {
        let opened = self.open_at(path, OpenOptions { read: true, ..OpenOptions::default() })?;
        match opened.stat.kind {
            Kind::File => Ok(opened),
            Kind::Directory => Err(WorkspaceError::IsADirectory),
            Kind::Link => Err(WorkspaceError::Unstable),
        }
    }

    fn try_open(&self, path: &ProjectPath, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        let follow =
            if options.no_follow || options.create == Create::New { Follow::No } else { Follow::Last };
        match self.try_find(path, follow) {
            Ok(_) if options.create == Create::New => Err(WorkspaceError::Exists),
            Ok(found) => self.open_found(found, options),
            Err(WorkspaceError::NotFound) if options.create != Create::No => {
                self.create_file(&self.resolve(path, follow)?, options)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens what was found, unless something else is there by now.
    pub(crate) fn open_found(&self, found: Found, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        let flags = match found.stat.kind {
            // What `open` with O_NOFOLLOW says.
            Kind::Link => return Err(WorkspaceError::TooManyLinks),
            Kind::Directory if options.write || options.truncate => return Err(WorkspaceError::IsADirectory),
            Kind::Directory => OFlags::RDONLY | OFlags::DIRECTORY,
            Kind::File if options.directory => return Err(WorkspaceError::NotADirectory),
            Kind::File => {
                self.check_access(&found.path, options)?;
                access(options)
            }
        };
        // Should a FIFO have taken its place, this does not wait for the other end.
        let fd = self.root.beneath.open(&found.path, flags | OFlags::NONBLOCK).map_err(changed)?;
        let stat = Stat::of(&fstat(&fd)?).filter(|stat| stat.identity == found.stat.identity);
        let stat = stat.ok_or(WorkspaceError::Unstable)?;
        let file = File::from(fd);
        // Only now: a file that took this one's place in between has lost nothing.
        if options.truncate {
            file.set_len(0).map_err(WorkspaceError::Io)?;
        }
        Ok(Opened { file, stat, path: found.path })
    }

    fn check_access(&self, path: &ProjectPath, options: OpenOptions) -> Result<(), WorkspaceError> {
        let writes = options.write || options.truncate;
        if options.read || !writes {
            self.check(Verb::Read, path)?;
        }
        if writes { self.check(Verb::Write, path) } else { Ok(()) }
    }

    /// Creates the file `path`, which has no links.
    fn create_file(&self, path: &ProjectPath, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        let (parent, name) = self.parent_of(path)?;
        let path = parent.path.join(name)?;
        self.check(Verb::Create, &path)?;
        if options.read {
            self.check(Verb::Read, &path)?;
        }
        let flags = access(options) | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The umask takes from this what new files should not have.
        let created = openat(&parent.fd, name, flags, Mode::from_raw_mode(0o666));
        let fd = created.map_err(|errno| match WorkspaceError::from(errno) {
            // It is there by now, or was there and is not to be seen.
            WorkspaceError::Exists if options.create == Create::IfMissing => WorkspaceError::Unstable,
            other => other,
        })?;
        let stat = Stat::of(&fstat(&fd)?).ok_or(WorkspaceError::Unstable)?;
        Ok(Opened { file: File::from(fd), stat, path })
    }
}

/// What it means when something cannot be opened as what it was found to be.
fn changed(errno: rustix::io::Errno) -> WorkspaceError {
    match WorkspaceError::from(errno) {
        WorkspaceError::NotFound
        | WorkspaceError::NotADirectory
        | WorkspaceError::IsADirectory
        | WorkspaceError::TooManyLinks => WorkspaceError::Unstable,
        other => other,
    }
}

const fn access(options: OpenOptions) -> OFlags {
    match (options.read, options.write || options.truncate) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (true | false, false) => OFlags::RDONLY,
    }
}
