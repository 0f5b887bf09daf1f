//! Changing what is seen: in the change set, never in the project.
//!
//! Each change acts on a directory that was found, and one name in it. The name's link is not followed.

use std::sync::Arc;

use longhouse_core::{ProjectPath, Verb};
use rustix::fs::{AtFlags, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};
use rustix::io::Errno;

use super::seen::By;
use super::{ChangeSet, Lies, OwnFile, Staged};
use crate::open::access;
use crate::resolve::{Found, target};
use crate::{Follow, Kind, OpenOptions, Opened, Stat, View, WorkspaceError};

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
        let own = self.own()?;
        let _turn = own.turn();
        let path = self.free_path(path)?;
        self.check(Verb::Create, &path)?;
        let (staged, ()) = own.stage(Kind::Directory, |name| own.files.create_staged_dir(name))?;
        own.put(&path, &staged)
    }

    /// Makes a link at `path` that points to `target`, from where it lies.
    ///
    /// # Errors
    /// As [`View::create_dir`]; [`WorkspaceError::OutsideProject`] if it would lead out of the project, or is absolute,
    /// [`WorkspaceError::NotFound`] if it would lead to what may not be known of.
    pub fn symlink(&self, target: &str, path: &ProjectPath) -> Result<(), WorkspaceError> {
        let _turn = self.own()?.turn();
        self.make_link(target, path)
    }

    fn make_link(&self, target: &str, path: &ProjectPath) -> Result<(), WorkspaceError> {
        let (own, path) = (self.own()?, self.free_path(path)?);
        self.check(Verb::Create, &path)?;
        self.check_target(&path, target)?;
        let (staged, ()) = own.stage(Kind::Link, |name| own.files.create_staged_link(target, name))?;
        own.put(&path, &staged)
    }

    /// Passes if a link at `path` may point there.
    pub(crate) fn check_target(&self, path: &ProjectPath, target: &str) -> Result<(), WorkspaceError> {
        if target.is_empty() {
            return Err(WorkspaceError::NotFound);
        }
        if target.starts_with('/') {
            return Err(WorkspaceError::OutsideProject);
        }
        let parent = path.split_last().map_or_else(ProjectPath::root, |(parent, _)| parent);
        let leads_to = match self.locate(&parent, target).and_then(|path| self.real_path(&path)) {
            Ok(path) => path,
            // Nowhere, as far as its text tells.
            Err(WorkspaceError::NotFound | WorkspaceError::NotADirectory | WorkspaceError::TooManyLinks) => {
                parent.join(target)?
            }
            Err(error) => return Err(error),
        };
        if self.grants.hide(&leads_to) { Err(WorkspaceError::NotFound) } else { Ok(()) }
    }

    /// Makes a copy of the file `from` at `to`: what a hard link is here, where no file has two names.
    ///
    /// # Errors
    /// As [`View::create_dir`], or when there is no such file, or it may not be read.
    pub fn copy_file(
        &self,
        from: &ProjectPath,
        follow: Follow,
        to: &ProjectPath,
    ) -> Result<(), WorkspaceError> {
        let own = self.own()?;
        let _turn = own.turn();
        let source = self.find(from, follow)?;
        match source.stat.kind {
            Kind::File => {}
            Kind::Directory => return Err(WorkspaceError::IsADirectory),
            Kind::Link => return self.make_link(&target(&source.fd)?, to),
        }
        self.check_read(&source.path, &source.lies)?;
        let opened = self.open_found(source, OpenOptions { read: true, ..OpenOptions::default() })?;
        let to = self.free_path(to)?;
        self.check(Verb::Create, &to)?;
        let staged = own.copy(&opened.file, opened.in_project())?;
        own.put(&to, &staged)
    }

    /// Removes a file or a link, not what the link leads to.
    ///
    /// # Errors
    /// When it does not exist, is a directory, or may not be removed.
    pub fn remove_file(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        let own = self.own()?;
        let _turn = own.turn();
        let found = self.find(path, Follow::No)?;
        if found.stat.kind == Kind::Directory {
            return Err(WorkspaceError::IsADirectory);
        }
        self.check(Verb::Delete, &found.path)?;
        own.remove(&found)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When it does not exist, is none, has entries, or may not be removed.
    pub fn remove_dir(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        let own = self.own()?;
        if path.is_root() {
            return Err(Errno::BUSY.into());
        }
        let _turn = own.turn();
        let found = self.find(path, Follow::No)?;
        if found.stat.kind != Kind::Directory {
            return Err(WorkspaceError::NotADirectory);
        }
        self.check(Verb::Delete, &found.path)?;
        self.check_empty(&found.path)?;
        own.remove(&found)
    }

    /// Moves `from` to `to`, in place of a file or an empty directory that is there. It needs the right to read and to
    /// delete the one, and to create the other, or to write what it replaces; of a directory, for all that is beneath.
    ///
    /// # Errors
    /// As the system call of that name. What is not visible can be neither moved nor replaced; a directory in which
    /// something may not be moved is not empty.
    pub fn rename(&self, from: &ProjectPath, to: &ProjectPath) -> Result<(), WorkspaceError> {
        let own = self.own()?;
        if from.is_root() || to.is_root() {
            return Err(Errno::BUSY.into());
        }
        let _turn = own.turn();
        let source = self.find(from, Follow::No)?;
        let replaced = match self.find(to, Follow::No) {
            Ok(replaced) => Some(replaced),
            Err(WorkspaceError::NotFound) => None,
            Err(error) => return Err(error),
        };
        let target = match &replaced {
            Some(replaced) => replaced.path.clone(),
            None => self.free_path(to)?,
        };
        if source.path == target {
            return Ok(());
        }
        self.check(Verb::Read, &source.path)?;
        self.check(Verb::Delete, &source.path)?;
        self.check(if replaced.is_some() { Verb::Write } else { Verb::Create }, &target)?;
        if source.path.is_above(&target) {
            return Err(Errno::INVAL.into());
        }
        match (source.stat.kind, replaced.as_ref().map(|replaced| replaced.stat.kind)) {
            (Kind::Directory, Some(Kind::File | Kind::Link)) => return Err(WorkspaceError::NotADirectory),
            (Kind::File | Kind::Link, Some(Kind::Directory)) => return Err(WorkspaceError::IsADirectory),
            (Kind::Directory, Some(Kind::Directory)) => self.check_empty(&target)?,
            (Kind::File | Kind::Link | Kind::Directory, None)
            | (Kind::File | Kind::Link, Some(Kind::File | Kind::Link)) => {}
        }
        if source.stat.kind == Kind::Directory {
            self.check_beneath(&source.path, &target)?;
        }
        own.rename(&source, &target, replaced.as_ref())
    }

    /// Sets the times of `path`. Those of a directory of the project are left alone: they are not part of its version.
    ///
    /// # Errors
    /// When it does not exist, leads outside, or may not be changed.
    pub fn set_times(&self, path: &ProjectPath, follow: Follow, times: Times) -> Result<(), WorkspaceError> {
        let own = self.own()?;
        let _turn = own.turn();
        let found = self.find(path, follow)?;
        self.check(Verb::Write, &found.path)?;
        let staged = match (&found.lies, found.stat.kind) {
            (Lies::Staged(staged), _) => Arc::clone(staged),
            (Lies::InProject(_), Kind::File) => own.copy_up(self, found)?,
            (Lies::InProject(_), Kind::Directory | Kind::Link) => return Ok(()),
        };
        let times = Timestamps {
            last_access: times.accessed.timespec(),
            last_modification: times.modified.timespec(),
        };
        let (directory, name) = own.files.staged_at(staged.name());
        Ok(utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Opens what was found for writing: its own copy, if it is not one already.
    pub(crate) fn open_own(&self, found: Found, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        let own = self.own()?;
        let path = found.path.clone();
        let (staged, cut) = match &found.lies {
            Lies::Staged(staged) => (Arc::clone(staged), options.truncate),
            Lies::InProject(at) if options.truncate => {
                own.saw(at, &found.stat, By::Replacing, None)?;
                let base = self.open_found(found, OpenOptions { write: true, truncate: false, ..options })?;
                let (staged, _) = own.stage_file(Some(&base.file))?;
                own.put(&path, &staged)?;
                (staged, false)
            }
            Lies::InProject(_) => (own.copy_up(self, found)?, false),
        };
        own.opened(path, staged, access(options), cut)
    }

    /// Makes the file `path`, and opens it.
    pub(crate) fn create_own(
        &self,
        path: &ProjectPath,
        options: OpenOptions,
    ) -> Result<Opened, WorkspaceError> {
        let own = self.own()?;
        let path = self.free_path(path)?;
        self.check(Verb::Create, &path)?;
        if options.read {
            self.check(Verb::Read, &path)?;
        }
        let (staged, _) = own.stage_file(None)?;
        own.put(&path, &staged)?;
        own.opened(path, staged, access(options), false)
    }

    /// Where `path` is, links on the way followed, if nothing is there, not even something that is not to be known of.
    fn free_path(&self, path: &ProjectPath) -> Result<ProjectPath, WorkspaceError> {
        let (parent, name) = self.parent_of(path)?;
        let path = parent.path.join(name)?;
        match self.lies(&path) {
            Ok(Lies::InProject(at)) => {
                let own = self.own()?;
                if own.files.has(&at) {
                    return Err(WorkspaceError::Exists);
                }
                own.saw_nothing_to_replace(&at);
            }
            Ok(Lies::Staged(_)) => return Err(WorkspaceError::Exists),
            Err(WorkspaceError::NotFound) => {}
            Err(error) => return Err(error),
        }
        Ok(path)
    }

    /// Passes if nothing is in the directory `path`, whoever may know of it.
    fn check_empty(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        if self.all_names(path)?.is_empty() { Ok(()) } else { Err(WorkspaceError::NotEmpty) }
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
        for (name, is_directory) in self.all_names(directory)? {
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
        for (name, is_directory) in self.all_names(from)? {
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

impl ChangeSet {
    /// A copy of its own of what was found, seen in its place from now on.
    fn copy_up(&self, view: &View, found: Found) -> Result<Arc<Staged>, WorkspaceError> {
        let path = found.path.clone();
        // Opened for writing, so that what may not be written is refused now.
        let options = OpenOptions { write: true, read: true, ..OpenOptions::default() };
        let base = view.open_found(found, options)?;
        let staged = self.copy(&base.file, base.in_project())?;
        self.put(&path, &staged)?;
        Ok(staged)
    }

    fn opened(
        self: &Arc<Self>,
        path: ProjectPath,
        staged: Arc<Staged>,
        access: OFlags,
        cut: bool,
    ) -> Result<Opened, WorkspaceError> {
        let file: std::fs::File = staged.open(access)?.into();
        if cut {
            file.set_len(0).map_err(WorkspaceError::Io)?;
        }
        let stat = Stat::of_open(&file)?;
        let own = Some(OwnFile::new(Arc::clone(self), Arc::clone(&staged)));
        Ok(Opened { file, stat, path, lies: Lies::Staged(staged), own })
    }

    fn remove(&self, found: &Found) -> Result<(), WorkspaceError> {
        self.displace(found, By::Removing)?;
        self.take(&found.path)?;
        Ok(())
    }

    /// What was found is no longer seen anywhere.
    pub(super) fn displace(&self, found: &Found, by: By) -> Result<(), WorkspaceError> {
        if let Lies::InProject(at) = &found.lies {
            self.saw(at, &found.stat, by, None)?;
            self.lock().removed.insert(at.clone());
        }
        Ok(())
    }

    fn rename(
        &self,
        source: &Found,
        target: &ProjectPath,
        replaced: Option<&Found>,
    ) -> Result<(), WorkspaceError> {
        if let Lies::InProject(at) = &source.lies {
            match source.stat.kind {
                Kind::Directory => self.saw_all_of(at)?,
                Kind::File | Kind::Link => self.saw(at, &source.stat, By::Reading, None)?,
            }
        }
        if let Some(replaced) = replaced {
            self.displace(replaced, By::Replacing)?;
        }
        let entry = self.take(&source.path)?.ok_or(WorkspaceError::Unstable)?;
        self.lock().tree.put(target, entry)?;
        Ok(())
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
