//! What a run's programs see as `/`: the project, and where that has no such names, a place of the run's own.

use std::io::Read;

use longhouse_core::{ProjectPath, Verb};
use longhouse_workspace::{Create, Follow, Kind, OpenOptions, Opened, View, WorkspaceError};
use rustix::io::Errno;

/// Directories of the run's own, if the project has none that are called so.
const OWN: [&str; 2] = ["tmp", "dev"];

/// Reads as nothing, whatever is written to it.
const NULL: &str = "dev/null";

/// The file systems of a run.
#[derive(Debug, Clone)]
pub(crate) struct Mounts {
    pub(crate) project: View,
    own: Option<View>,
    /// Of [`OWN`], those that are the run's.
    names: Vec<&'static str>,
}

impl Mounts {
    /// The project, and beside it what the run has for itself.
    pub(crate) fn new(project: View, own: Option<View>) -> Self {
        let is_free = |name: &&str| ProjectPath::parse(name).is_ok_and(|path| !project.has(&path));
        let names = if own.is_some() { OWN.into_iter().filter(is_free).collect() } else { Vec::new() };
        Self { project, own, names }
    }

    /// The file system that has this path.
    pub(crate) fn at(&self, path: &ProjectPath) -> &View {
        self.own_at(path).unwrap_or(&self.project)
    }

    fn own_at(&self, path: &ProjectPath) -> Option<&View> {
        let first = path.components().next()?;
        self.own.as_ref().filter(|_| self.names.contains(&first))
    }

    /// The path that `text` names when read from the directory `base`, as [`View::locate`].
    pub(crate) fn locate(&self, base: &ProjectPath, text: &str) -> Result<ProjectPath, WorkspaceError> {
        let named = base.join(text);
        match (self.own_at(base), named.as_ref().ok().and_then(|named| self.own_at(named))) {
            (None, None) => self.project.locate(base, text),
            (Some(_), Some(own)) => own.locate(base, text),
            // From one to the other no link leads: the text tells it all.
            (None, Some(_)) | (Some(_), None) => {
                let named = named?;
                let end = if text.ends_with('/') { "/" } else { "" };
                self.at(&named).locate(&ProjectPath::root(), &format!("/{}{end}", named.as_str()))
            }
        }
    }

    /// Opens a file or directory, as [`View::open_at`].
    pub(crate) fn open_at(&self, path: &ProjectPath, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        match self.own_at(path) {
            Some(own) if path.as_str() == NULL && !options.changes() => {
                own.as_it_lies().open_at(path, options)
            }
            Some(own) => own.open_at(path, options),
            None => self.project.open_at(path, options),
        }
    }

    /// Moves `from` to `to`, as [`View::rename`]; from one file system to another, files alone.
    pub(crate) fn rename(&self, from: &ProjectPath, to: &ProjectPath) -> Result<(), WorkspaceError> {
        match self.one_of(from, to) {
            Some(view) => view.rename(from, to),
            None => self.carry(from, to),
        }
    }

    /// Copies a file to the other file system, and removes it where it was.
    fn carry(&self, from: &ProjectPath, to: &ProjectPath) -> Result<(), WorkspaceError> {
        let source = self.at(from);
        if source.stat(from, Follow::No)?.kind != Kind::File {
            return Err(Errno::XDEV.into());
        }
        let mut file = source.read_file(from)?;
        if !source.grants(Verb::Delete, &file.path) {
            return Err(WorkspaceError::NotGranted { verb: Verb::Delete, path: file.path });
        }
        let options =
            OpenOptions { write: true, create: Create::IfMissing, truncate: true, ..OpenOptions::default() };
        let mut copy = self.at(to).open_at(to, options)?;
        if let Some(own) = &copy.own {
            own.grow(&copy.file, file.stat.size)?;
        }
        let most = file.stat.size;
        std::io::copy(&mut Read::take(&mut file.file, most), &mut copy.file).map_err(WorkspaceError::Io)?;
        source.remove_file(from)
    }

    /// Makes a copy, as [`View::copy_file`]; not from one file system to another.
    pub(crate) fn copy_file(
        &self,
        from: &ProjectPath,
        follow: Follow,
        to: &ProjectPath,
    ) -> Result<(), WorkspaceError> {
        self.one_of(from, to).ok_or(Errno::XDEV)?.copy_file(from, follow, to)
    }

    /// The file system that has both paths.
    fn one_of(&self, one: &ProjectPath, other: &ProjectPath) -> Option<&View> {
        (self.own_at(one).is_some() == self.own_at(other).is_some()).then(|| self.at(one))
    }
}
