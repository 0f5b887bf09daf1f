//! What the shell reaches: the run's commands, and its view of the project.

use std::io;
use std::sync::Arc;

use longhouse_core::ProjectPath;
use longhouse_shell::{FileError, Found, Kind, Machine, Open, Opened, Program, Sink, Source, Stat};
use longhouse_workspace::{Follow, WorkspaceError};

use super::find::{NoCommand, shown};
use super::open_file::{OpenFile, options};
use super::pipe::pipe;
use super::{Programs, Started};

/// The outside of a shell of this run.
pub(super) struct Outside<'a> {
    pub(super) programs: &'a Arc<Programs>,
    /// Of what the shell starts.
    pub(super) depth: u32,
}

impl Outside<'_> {
    fn locate(&self, cwd: &str, path: &str) -> Result<ProjectPath, WorkspaceError> {
        self.programs.mounts.locate(&ProjectPath::parse(cwd)?, path)
    }

    fn try_open(&self, cwd: &str, path: &str, how: Open) -> Result<OpenFile, WorkspaceError> {
        let path = self.locate(cwd, path)?;
        // First: what cannot be handed over is not created or cut either.
        let slot = Arc::clone(&self.programs.files).try_acquire_owned();
        let slot = slot.map_err(|_| WorkspaceError::Io(io::Error::other("Too many open files")))?;
        let opened = self.programs.mounts.open_at(&path, options(how))?;
        OpenFile::new(opened, how, Arc::clone(&self.programs.run.counters), slot)
    }
}

impl Machine for Outside<'_> {
    fn find(&self, cwd: &str, name: &str) -> Found {
        match self.programs.find(cwd, name) {
            Ok(_) => Found::Program(shown(name)),
            Err(NoCommand::Denied) => Found::Denied,
            Err(NoCommand::Unknown) => Found::Unknown(self.programs.engine.nearest(name)),
        }
    }

    fn run(&self, program: Program) -> i32 {
        self.programs.run(Started { program, depth: self.depth })
    }

    fn open(&self, cwd: &str, path: &str, how: Open) -> Result<Opened, FileError> {
        let file = Arc::new(self.try_open(cwd, path, how).map_err(why)?);
        let reads = matches!(how, Open::Read | Open::ReadWrite);
        let source = reads.then(|| Arc::clone(&file) as Arc<dyn Source>);
        let sink = (how != Open::Read).then_some(file as Arc<dyn Sink>);
        Ok(Opened { source, sink })
    }

    fn list(&self, cwd: &str, path: &str) -> Result<Vec<String>, FileError> {
        let path = self.locate(cwd, path).map_err(why)?;
        let children = self.programs.mounts.at(&path).read_dir(&path).map_err(why)?;
        children.map(|child| child.map(|child| child.name).map_err(why)).collect()
    }

    fn stat(&self, cwd: &str, path: &str) -> Option<Stat> {
        use longhouse_core::Verb::{Read, Write};
        let path = self.locate(cwd, path).ok()?;
        let view = self.programs.mounts.at(&path);
        let stat = view.stat(&path, Follow::Last).ok()?;
        let at = view.real_path(&path).ok()?;
        let (seconds, nanoseconds) = stat.modified;
        Some(Stat {
            kind: match stat.kind {
                longhouse_workspace::Kind::File => Kind::File,
                longhouse_workspace::Kind::Directory => Kind::Directory,
                longhouse_workspace::Kind::Link => Kind::Other,
            },
            size: stat.size,
            readable: stat.is_directory() || view.grants(Read, &at),
            writable: view.can_change() && view.grants(Write, &at),
            executable: stat.is_directory() || stat.executable,
            modified_ns: u128::try_from(seconds).unwrap_or(0) * 1_000_000_000 + u128::from(nanoseconds),
        })
    }

    fn is_link(&self, cwd: &str, path: &str) -> bool {
        let path = self.locate(cwd, path);
        let stat = path.and_then(|path| self.programs.mounts.at(&path).stat(&path, Follow::No));
        stat.is_ok_and(|stat| stat.kind == longhouse_workspace::Kind::Link)
    }

    fn stop(&self) -> bool {
        self.programs.run.must_stop()
    }

    fn pipe(&self, capacity: usize) -> io::Result<(Arc<dyn Sink>, Arc<dyn Source>)> {
        let (writer, reader) = pipe(capacity, &self.programs.run);
        Ok((Arc::new(writer), Arc::new(reader)))
    }
}

/// In bash's words where it has some.
pub(super) fn why(error: WorkspaceError) -> FileError {
    match error {
        WorkspaceError::NotFound => FileError::NotFound,
        WorkspaceError::NotADirectory => FileError::NotDirectory,
        WorkspaceError::IsADirectory => FileError::IsDirectory,
        WorkspaceError::NotGranted { .. } => FileError::Denied,
        WorkspaceError::Io(source) => FileError::Other(source.to_string()),
        WorkspaceError::Exists
        | WorkspaceError::NotEmpty
        | WorkspaceError::OutsideProject
        | WorkspaceError::TooManyLinks
        | WorkspaceError::ReadOnly
        | WorkspaceError::Quota { .. }
        | WorkspaceError::Unstable
        | WorkspaceError::NotKept
        | WorkspaceError::Invalid(_)
        | WorkspaceError::CaseInsensitive => FileError::Other(error.to_string()),
    }
}
