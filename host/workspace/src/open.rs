//! The one function that opens project files.

use std::fs::File;

use longhouse_core::{ProjectPath, Verb};
use rustix::fs::{OFlags, fstat};

use crate::change_set::{By, Lies, OwnFile};
use crate::resolve::{Found, Sought, settle};
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

impl OpenOptions {
    /// Whether something may be changed by opening so, or later.
    pub fn changes(&self) -> bool {
        self.write || self.truncate || self.create != Create::No
    }
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
    /// Where it is seen: without links.
    pub path: ProjectPath,
    pub(crate) lies: Lies,
    /// What to ask before it is written to; `None` of what is open for reading.
    pub own: Option<OwnFile>,
}

impl Opened {
    /// Where it lies in the project, unless it is of a change set.
    pub fn in_project(&self) -> Option<&ProjectPath> {
        self.lies.in_project()
    }
}

/// A regular file, open for reading.
pub type OpenFile = Opened;

impl View {
    /// Opens `path`, following links beneath the root only.
    ///
    /// # Errors
    /// When it does not exist, leads outside, is neither a file nor a directory, may not be opened so, or cannot be.
    pub fn open_at(&self, path: &ProjectPath, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        let _turn = if options.changes() { Some(self.own()?.turn()) } else { None };
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
        match self.seek(path, follow)? {
            Sought::Found(_) if options.create == Create::New => Err(WorkspaceError::Exists),
            Sought::Found(found) => self.open_as(found, options),
            Sought::Missing(path) if options.create == Create::No => {
                self.nothing_at(&path);
                self.saw_nothing(&path);
                Err(WorkspaceError::NotFound)
            }
            Sought::Missing(path) => match self.create_own(&path, options) {
                // It is there by now, or was there and is not to be seen.
                Err(WorkspaceError::Exists) if options.create == Create::IfMissing => {
                    Err(WorkspaceError::Unstable)
                }
                created => created,
            },
        }
    }

    fn open_as(&self, found: Found, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        let writes = options.write || options.truncate;
        match found.stat.kind {
            // What `open` with O_NOFOLLOW says.
            Kind::Link => return Err(WorkspaceError::TooManyLinks),
            Kind::Directory if writes => return Err(WorkspaceError::IsADirectory),
            Kind::Directory => return self.open_found(found, options),
            Kind::File if options.directory => return Err(WorkspaceError::NotADirectory),
            Kind::File => {}
        }
        if options.read || !writes {
            self.check_read(&found.path, &found.lies)?;
        }
        if writes {
            self.check(Verb::Write, &found.path)?;
            return self.open_own(found, options);
        }
        let opened = self.open_found(found, options)?;
        if let (Some(own), Lies::InProject(at)) = (&self.own, &opened.lies) {
            own.saw(at, &opened.stat, By::Reading, Some(&opened.file))?;
        }
        Ok(opened)
    }

    /// Opens what was found, and is no link, unless something else is there by now. What may be done is not asked.
    pub(crate) fn open_found(&self, found: Found, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        let flags = match found.stat.kind {
            Kind::Directory => OFlags::RDONLY | OFlags::DIRECTORY,
            Kind::File | Kind::Link => access(options),
        };
        // Should a FIFO have taken its place, this does not wait for the other end.
        let fd = self.open_place(&found.lies, flags | OFlags::NONBLOCK).map_err(changed)?;
        let stat = Stat::of(&fstat(&fd)?).filter(|stat| stat.identity == found.stat.identity);
        let stat = stat.ok_or(WorkspaceError::Unstable)?;
        Ok(Opened { file: File::from(fd), stat, path: found.path, lies: found.lies, own: None })
    }
}

/// What it means when something cannot be opened as what it was found to be.
pub(crate) fn changed(error: WorkspaceError) -> WorkspaceError {
    match error {
        WorkspaceError::NotFound
        | WorkspaceError::NotADirectory
        | WorkspaceError::IsADirectory
        | WorkspaceError::TooManyLinks => WorkspaceError::Unstable,
        other => other,
    }
}

pub(crate) const fn access(options: OpenOptions) -> OFlags {
    match (options.read, options.write || options.truncate) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (true | false, false) => OFlags::RDONLY,
    }
}
