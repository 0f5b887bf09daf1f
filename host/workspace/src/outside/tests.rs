//! What is changed behind the server's back is put on record, once, and nothing else is.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};

use longhouse_core::{
    Authorship, BootNumber, Change, CommitGate as _, CommitNumber, EntryKind, FileGrants, Operation,
    ProjectPath, RedoList, ReservationId, Version,
};

use crate::commit::tests::Lenient;
use crate::{Expected, Root, View, Wish, Workspace};

struct Project {
    dir: tempfile::TempDir,
    gate: Arc<Lenient>,
    workspace: Workspace,
}

fn path(text: &str) -> ProjectPath {
    text.parse().unwrap()
}

impl Project {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(".longhouse")).unwrap();
        fs::create_dir_all(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("a"), "a").unwrap();
        fs::write(dir.path().join("d/b"), "b").unwrap();
        Self::open(dir, Arc::default())
    }

    fn open(dir: tempfile::TempDir, gate: Arc<Lenient>) -> Self {
        let root = Arc::new(Root::open(dir.path()).unwrap());
        let workspace = Workspace::open(root, Arc::clone(&gate) as _).unwrap();
        Self { dir, gate, workspace }
    }

    /// The same, served by another process.
    fn again(self) -> Self {
        let Self { dir, gate, workspace } = self;
        drop(workspace);
        Self::open(dir, gate)
    }

    fn write(&self, at: &str, content: &str) {
        fs::write(self.dir.path().join(at), content).unwrap();
    }

    fn commit(&self, at: &str, content: &str) {
        let (path, content) = (path(at), content.into());
        self.carry_out(Wish::Write { path, content, expected: Expected::Anything, executable: None });
    }

    fn carry_out(&self, wish: Wish) {
        let view = View::new(Arc::clone(self.workspace.root()), Arc::new(FileGrants::everything()));
        let author = Authorship::of("someone".parse().unwrap());
        self.workspace.commit(&view, author, &[wish], None).unwrap();
    }

    /// What a scan finds.
    fn scan(&self) -> Vec<String> {
        let scanned = self.workspace.scan(None).unwrap();
        let mut found: Vec<_> = scanned.found.iter().map(ToString::to_string).collect();
        found.sort();
        found
    }
}

#[test]
fn what_lies_there_at_first_is_what_the_project_begins_with() {
    let project = Project::new();
    assert_eq!((project.scan(), project.scan()), (vec![], vec![]));
    project.write("a", "changed");
    project.write("d/new", "new");
    symlink("a", project.dir.path().join("link")).unwrap();
    fs::remove_file(project.dir.path().join("d/b")).unwrap();
    assert_eq!(project.scan(), ["a", "d/b", "d/new", "link"]);
    assert_eq!(project.scan(), [""; 0]);
    let commit = &project.gate.commits()[0];
    assert_eq!((commit.agent.as_ref(), commit.redo.changes().len()), (None, 4));
    for change in commit.redo.changes() {
        assert_eq!(change.operation, Operation::Found);
        assert_eq!(change.base.is_some(), ["a", "d/b"].contains(&change.path.as_str()), "{change:?}");
        assert_eq!(change.new.is_none(), change.path.as_str() == "d/b", "{change:?}");
    }
}

#[test]
fn what_was_changed_while_nobody_served_is_found_by_the_next() {
    let project = Project::new();
    project.scan();
    project.commit("d/b", "ours");
    let project = project.again();
    assert_eq!(project.scan(), [""; 0], "what was committed since is not taken for somebody else's");
    project.commit("a", "ours");
    project.write("a", "theirs");
    let project = project.again();
    assert_eq!(project.scan(), ["a"]);
    let commits = project.gate.commits();
    let found = commits.last().unwrap().redo.changes()[0].clone();
    assert_eq!(
        found.base,
        commits[commits.len() - 2].redo.changes()[0].new,
        "it comes after what was committed"
    );
    // Should what is known be lost, what is there is where the project begins anew.
    fs::write(project.dir.path().join(".longhouse/manifest"), "nonsense").unwrap();
    project.write("a", "again");
    let project = project.again();
    assert_eq!(project.scan(), [""; 0]);
}

#[test]
fn what_is_ignored_is_looked_at_only_if_the_journal_knows_of_it() {
    let project = Project::new();
    project.write(".gitignore", "*.log\n");
    fs::create_dir(project.dir.path().join(".git")).unwrap();
    project.scan();
    project.commit("ours.log", "ours");
    for at in ["theirs.log", ".git/index", "ours.log", "plain"] {
        project.write(at, "theirs");
    }
    assert_eq!(project.scan(), ["ours.log", "plain"]);
}

#[test]
fn a_path_is_examined_by_itself() {
    let project = Project::new();
    project.write("a", "before anything is known");
    assert_eq!(project.workspace.examine(&[path("a")], None).unwrap().found, []);
    project.scan();
    project.write("a", "theirs");
    project.write("d/b", "theirs");
    let examined = project.workspace.examine(&[path("a"), path("none")], None).unwrap();
    assert_eq!((examined.found, examined.commits), (vec![path("a")], vec![CommitNumber(1)]));
    assert_eq!(project.scan(), ["d/b"]);
}

#[test]
fn what_was_put_there_outside_and_is_moved_is_known_from_then_on() {
    let project = Project::new();
    project.scan();
    fs::rename(project.dir.path().join("a"), project.dir.path().join("e")).unwrap();
    let (from, to) = (path("e"), path("d/e"));
    project.carry_out(Wish::Move { from, to, expected: Expected::Absent });
    fs::remove_file(project.dir.path().join("d/e")).unwrap();
    assert_eq!(project.scan(), ["a", "d/e"]);
}

#[test]
fn nothing_is_found_where_only_the_server_is_at_work() {
    let project = Project::new();
    project.scan();
    std::thread::scope(|scope| {
        let mut stops = Vec::new();
        for n in 0..2 {
            let (stop, stopped) = channel::<()>();
            stops.push(stop);
            let project = &project;
            scope.spawn(move || {
                let mut count = 0;
                while stopped.try_recv() == Err(TryRecvError::Empty) {
                    project.commit(&format!("d/{}", (count * 2 + n) % 20), &count.to_string());
                    count += 1;
                }
            });
        }
        for _ in 0..30 {
            assert_eq!(project.scan(), [""; 0]);
        }
    });
    assert_eq!(project.scan(), [""; 0]);
}

#[test]
fn what_is_still_under_way_elsewhere_hides_nothing_that_was_committed_since() {
    let project = Project::new();
    project.scan();
    let change = Change {
        path: path("elsewhere"),
        operation: Operation::Put { staged: "s1".parse().unwrap() },
        base: None,
        new: Some(Version { kind: EntryKind::File, hash: [1; 32] }),
        history: None,
    };
    let reservation = ReservationId { boot: BootNumber(1), number: 1 };
    // It has its number, and nobody knows yet what comes of it.
    project.gate.intent(reservation, &RedoList::new(vec![change]).unwrap()).unwrap();
    project.commit("a", "ours");
    assert_eq!(project.scan(), [""; 0], "what was committed is not taken for somebody else's");
    project.write("a", "theirs");
    assert_eq!((project.scan(), project.scan()), (vec!["a".to_owned()], vec![]));
    let commits = project.gate.commits();
    assert_eq!(commits[2].redo.changes()[0].base, commits[1].redo.changes()[0].new);
}
