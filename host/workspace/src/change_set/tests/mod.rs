//! Change sets on a real disk, with a coordinator that lets everybody.

mod bases;
mod cut;
mod model;
mod undo;
mod view;

use std::fs;
use std::path::PathBuf;

use longhouse_core::{Authorship, FileGrants};

use super::*;
use crate::commit::tests::Lenient;
use crate::{CommitError, Committed, Create, Follow, OpenOptions, Opened, Root, Workspace};

/// A project with `a.txt`, `d/b.txt` and `d/e/c.txt`, which hold their names.
struct Project {
    dir: tempfile::TempDir,
    gate: Arc<Lenient>,
    workspace: Workspace,
}

/// One run: its view, and the set that the view adds to.
struct Run {
    view: View,
    set: Arc<ChangeSet>,
}

fn path(text: &str) -> ProjectPath {
    text.parse().unwrap()
}

impl Project {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".longhouse")).unwrap();
        fs::create_dir_all(dir.path().join("d/e")).unwrap();
        for file in ["a.txt", "d/b.txt", "d/e/c.txt"] {
            fs::write(dir.path().join(file), file).unwrap();
        }
        let root = Arc::new(Root::open(dir.path()).unwrap());
        let gate = Arc::new(Lenient::default());
        let workspace = Workspace::open(root, Arc::clone(&gate) as _).unwrap();
        Self { dir, gate, workspace }
    }

    fn at(&self, text: &str) -> PathBuf {
        self.dir.path().join(text)
    }

    fn read(&self, text: &str) -> String {
        fs::read_to_string(self.at(text)).unwrap()
    }

    fn view(&self) -> View {
        View::new(Arc::clone(self.workspace.root()), Arc::new(FileGrants::everything()))
    }

    fn run(&self, name: &str) -> Run {
        self.run_of(name, &Arc::default())
    }

    fn run_of(&self, name: &str, reader: &Arc<Reader>) -> Run {
        self.run_with(name, reader, FileGrants::everything(), Quota { bytes: 1 << 20, entries: 1_000 })
    }

    fn run_with(&self, name: &str, reader: &Arc<Reader>, grants: FileGrants, quota: Quota) -> Run {
        self.run_isolated(name, reader, grants, quota, Isolation::Writes)
    }

    fn run_isolated(
        &self,
        name: &str,
        reader: &Arc<Reader>,
        grants: FileGrants,
        quota: Quota,
        isolation: Isolation,
    ) -> Run {
        let set = Arc::new(self.workspace.change_set(name.into(), quota, reader, isolation));
        let root = Arc::clone(self.workspace.root());
        Run { view: View::new(root, Arc::new(grants)).with(Arc::clone(&set)), set }
    }

    fn publish(&self, run: &Run) -> Result<Committed, CommitError> {
        let author = Authorship::of("someone".parse().unwrap());
        self.workspace.publish(&self.view(), author, &run.set, None)
    }

    /// The paths at which it was refused.
    fn conflicts(&self, run: &Run) -> Vec<String> {
        match self.publish(run) {
            Err(CommitError::Conflicts { conflicts }) => {
                conflicts.iter().map(|conflict| conflict.path.to_string()).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// What is staged now.
    fn staged(&self) -> usize {
        fs::read_dir(self.at(".longhouse/staged")).unwrap().count()
    }
}

impl Run {
    fn open(&self, text: &str, options: OpenOptions) -> Result<Opened, WorkspaceError> {
        self.view.open_at(&path(text), options)
    }

    /// As `>` does.
    fn write(&self, text: &str, content: &str) {
        let options =
            OpenOptions { write: true, create: Create::IfMissing, truncate: true, ..OpenOptions::default() };
        let opened = self.open(text, options).unwrap();
        std::io::Write::write_all(&mut &opened.file, content.as_bytes()).unwrap();
    }

    /// As `>>` does.
    fn append(&self, text: &str, content: &str) {
        use std::io::Seek as _;
        let opened = self.open(text, OpenOptions { write: true, ..OpenOptions::default() }).unwrap();
        (&opened.file).seek(std::io::SeekFrom::End(0)).unwrap();
        std::io::Write::write_all(&mut &opened.file, content.as_bytes()).unwrap();
    }

    fn read(&self, text: &str) -> String {
        let opened = self.view.read_file(&path(text)).unwrap();
        std::io::read_to_string(opened.file).unwrap()
    }

    fn rename(&self, from: &str, to: &str) {
        self.view.rename(&path(from), &path(to)).unwrap();
    }

    fn names(&self, text: &str) -> Vec<String> {
        let entries = self.view.entries(&path(text)).unwrap();
        entries.iter().map(|entry| entry.path.to_string()).collect()
    }

    fn is_there(&self, text: &str) -> bool {
        self.view.stat(&path(text), Follow::No).is_ok()
    }
}
