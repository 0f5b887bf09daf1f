//! Through the door, on a real disk, with a coordinator that lets everybody.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use longhouse_core::{
    BootNumber, Commit, CommitStatus, FileGrants, Journaled, PathPattern, ReservationId, Unfinished, Verb,
};

use super::*;

/// Lets everybody, unless told to refuse numbers, and remembers.
#[derive(Default)]
pub(crate) struct Lenient(
    Mutex<Vec<(Arc<Commit>, &'static str)>>,
    Mutex<BTreeSet<ReservationId>>,
    AtomicBool,
);

impl Lenient {
    fn stand(&self, number: CommitNumber, stands: &'static str) {
        let known = &mut *self.0.lock().unwrap();
        known.iter_mut().find(|(commit, _)| commit.number == number).unwrap().1 = stands;
    }

    /// What was numbered, and did not come to nothing, in order.
    pub(crate) fn commits(&self) -> Vec<Arc<Commit>> {
        let known = self.0.lock().unwrap();
        known
            .iter()
            .filter(|(_, stands)| *stands != "aborted")
            .map(|(commit, _)| Arc::clone(commit))
            .collect()
    }

    fn stands(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(_, stands)| *stands).collect()
    }
}

impl CommitGate for Lenient {
    fn reserve(&self, _: &Reservation, _: &Author, _: Option<Timestamp>) -> Result<Granted, GateError> {
        let number = self.0.lock().unwrap().len() as u64 + 1 + getrandom();
        let reservation = ReservationId { boot: BootNumber(1), number };
        self.1.lock().unwrap().insert(reservation);
        Ok(Granted::Reserved(Reserved { reservation, task: None, deadline: Timestamp::from_millis(0) }))
    }

    fn renew(&self, _: ReservationId) -> Result<Timestamp, GateError> {
        Ok(Timestamp::from_millis(0))
    }

    fn intent(&self, reservation: ReservationId, redo: &RedoList) -> Result<CommitNumber, GateError> {
        if self.2.load(Ordering::Relaxed) {
            return Err(GateError::Refused(Refusal::Superseded));
        }
        self.1.lock().unwrap().remove(&reservation);
        let known = &mut *self.0.lock().unwrap();
        let number = CommitNumber(known.len() as u64 + 1);
        let (agent, task, run, keyed, at) = (None, None, None, None, Timestamp::from_millis(0));
        let commit = Commit { number, reservation, agent, task, run, keyed, at, redo: redo.clone() };
        known.push((Arc::new(commit), "intended"));
        Ok(number)
    }

    fn published(&self, commit: CommitNumber) {
        self.stand(commit, "published");
    }

    fn retired(&self, commits: &[CommitNumber]) {
        commits.iter().for_each(|commit| self.stand(*commit, "retired"));
    }

    fn abort(&self, what: Undo, _: Abort) {
        match what {
            Undo::Intended(commit) => self.stand(commit, "aborted"),
            Undo::Reserved(set) => assert!(self.1.lock().unwrap().remove(&set), "it was given back before"),
        }
    }

    fn last_commit(&self) -> Result<CommitNumber, GateError> {
        Ok(CommitNumber(self.0.lock().unwrap().len() as u64))
    }

    fn journal(&self, after: CommitNumber, _: u32) -> Result<Vec<Journaled>, GateError> {
        let known = self.0.lock().unwrap();
        let later = known.iter().filter(|(commit, _)| commit.number > after);
        let journaled = |(commit, stands): &(Arc<Commit>, &str)| Journaled {
            number: commit.number,
            status: CommitStatus::ALL.into_iter().find(|status| status.as_str() == *stands).unwrap(),
            changes: commit.redo.changes().to_vec(),
        };
        Ok(later.map(journaled).collect())
    }

    fn unfinished(&self) -> Result<Vec<Unfinished>, GateError> {
        let known = self.0.lock().unwrap();
        let open = known.iter().filter(|(_, stands)| !matches!(*stands, "retired" | "aborted"));
        let unfinished = |(commit, stands): &(Arc<Commit>, &str)| Unfinished {
            commit: Arc::clone(commit),
            is_published: *stands == "published",
        };
        Ok(open.map(unfinished).collect())
    }
}

/// A number that no reservation before had.
fn getrandom() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1_000, Ordering::Relaxed)
}

pub(super) struct Project {
    dir: tempfile::TempDir,
    gate: Arc<Lenient>,
    pub(super) workspace: Workspace,
}

pub(super) fn path(text: &str) -> ProjectPath {
    text.parse().unwrap()
}

pub(super) fn write(at: &str, content: &str, expected: Expected) -> Wish {
    Wish::Write { path: path(at), content: content.as_bytes().to_vec(), expected, executable: None }
}

fn globs(texts: &[&str]) -> Vec<PathPattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

impl Project {
    /// A project with `a.txt` and `d/b.txt`, which hold their names.
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".longhouse")).unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("a.txt"), "a.txt").unwrap();
        fs::write(dir.path().join("d/b.txt"), "d/b.txt").unwrap();
        let gate = Arc::new(Lenient::default());
        let root = Arc::new(Root::open(dir.path()).unwrap());
        let workspace = Workspace::open(root, Arc::clone(&gate) as _).unwrap();
        Self { dir, gate, workspace }
    }

    fn view(&self, grants: FileGrants) -> View {
        View::new(Arc::clone(self.workspace.root()), Arc::new(grants))
    }

    fn commit_as(&self, grants: FileGrants, wishes: &[Wish]) -> Result<Committed, CommitError> {
        let author = Authorship::of("a".parse().unwrap());
        self.workspace.commit(&self.view(grants), author, wishes, None)
    }

    pub(super) fn commit(&self, wishes: &[Wish]) -> Result<Committed, CommitError> {
        self.commit_as(FileGrants::everything(), wishes)
    }

    fn version(&self, at: &str) -> Version {
        let view = self.view(FileGrants::everything());
        view.version(&view.read_file(&path(at)).unwrap()).unwrap()
    }

    pub(super) fn read(&self, at: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join(at)).ok()
    }

    fn staged(&self) -> usize {
        fs::read_dir(self.dir.path().join(".longhouse/staged")).unwrap().count()
    }
}

#[test]
fn many_changes_are_one_commit() {
    let project = Project::new();
    let done = project.commit(&[
        write("a.txt", "new", Expected::Version(project.version("a.txt"))),
        write("x/y/z.txt", "deep", Expected::Absent),
        Wish::MakeDirectory { path: path("x/empty") },
        Wish::Move { from: path("d"), to: path("e"), expected: Expected::Absent },
    ]);
    let done = done.unwrap();
    assert_eq!(done.number, Some(CommitNumber(1)));
    assert_eq!(done.versions[0], (path("a.txt"), Some(project.version("a.txt"))));
    assert_eq!(project.read("a.txt").as_deref(), Some("new"));
    assert_eq!(project.read("x/y/z.txt").as_deref(), Some("deep"));
    assert_eq!(project.read("e/b.txt").as_deref(), Some("d/b.txt"));
    assert!(project.dir.path().join("x/empty").is_dir() && !project.dir.path().join("d").exists());
    project.commit(&[Wish::Delete { path: path("x"), expected: Expected::Anything }]).unwrap();
    assert!(!project.dir.path().join("x").exists());
    assert_eq!(project.staged(), 0);
    let Project { dir: _dir, gate, workspace } = project;
    drop(workspace);
    assert_eq!(
        gate.stands(),
        ["retired", "retired"],
        "what was published is finished before the door closes"
    );
}

#[test]
fn what_is_not_as_expected_is_not_touched_and_nothing_else_is() {
    let project = Project::new();
    let current = project.version("a.txt");
    fs::write(project.dir.path().join("a.txt"), "theirs").unwrap();
    for (wish, at) in [
        (write("a.txt", "mine", Expected::Version(current)), "a.txt"),
        (write("a.txt", "mine", Expected::Absent), "a.txt"),
        (Wish::Delete { path: path("a.txt"), expected: Expected::Version(current) }, "a.txt"),
        (Wish::Move { from: path("d/b.txt"), to: path("a.txt"), expected: Expected::Absent }, "a.txt"),
    ] {
        let refused = project.commit(&[write("new.txt", "new", Expected::Absent), wish.clone()]);
        let Err(CommitError::Stale { path, current }) = &refused else { panic!("{wish:?}: {refused:?}") };
        assert_eq!((path.as_str(), *current), (at, Some(project.version("a.txt"))), "{wish:?}");
        assert_eq!((project.read("new.txt"), project.staged()), (None, 0), "{wish:?}");
        assert_eq!(project.read("a.txt").as_deref(), Some("theirs"));
    }
    assert_eq!(project.gate.stands(), [""; 0]);
    let twice = project.commit(&[write("b", "1", Expected::Absent), write("b", "2", Expected::Absent)]);
    assert!(matches!(twice, Err(CommitError::Twice { .. })), "{twice:?}");
    assert_eq!(project.staged(), 0);
}

#[test]
fn every_change_needs_its_right() {
    let all_but = |denied: Verb| {
        let given = |verb| if verb == denied { Vec::new() } else { globs(&["**"]) };
        FileGrants {
            read: given(Verb::Read),
            write: given(Verb::Write),
            create: Some(given(Verb::Create)),
            delete: Some(given(Verb::Delete)),
            ..FileGrants::default()
        }
    };
    let project = Project::new();
    let moved = |to: &str, expected| Wish::Move { from: path("a.txt"), to: path(to), expected };
    for (verb, wish) in [
        (Verb::Write, write("a.txt", "x", Expected::Anything)),
        (Verb::Create, write("new", "x", Expected::Absent)),
        (Verb::Create, write("new/file", "x", Expected::Absent)),
        (Verb::Create, Wish::MakeDirectory { path: path("new") }),
        (Verb::Delete, Wish::Delete { path: path("a.txt"), expected: Expected::Anything }),
        (Verb::Read, moved("new", Expected::Absent)),
        (Verb::Delete, moved("new", Expected::Absent)),
        (Verb::Create, moved("new", Expected::Absent)),
        (Verb::Write, moved("d/b.txt", Expected::Anything)),
    ] {
        let refused = project.commit_as(all_but(verb), std::slice::from_ref(&wish));
        let Err(CommitError::Path { source: WorkspaceError::NotGranted { verb: needed, .. }, .. }) = &refused
        else {
            panic!("{wish:?}: {refused:?}")
        };
        assert_eq!(*needed, verb, "{wish:?}");
    }
    let hidden = FileGrants { deny: globs(&["d/b.txt"]), ..FileGrants::everything() };
    for wish in [
        Wish::Delete { path: path("d"), expected: Expected::Anything },
        Wish::Move { from: path("d"), to: path("e"), expected: Expected::Absent },
    ] {
        let refused = project.commit_as(hidden.clone(), std::slice::from_ref(&wish));
        let is_refused = matches!(refused, Err(CommitError::Path { source: WorkspaceError::NotEmpty, .. }));
        assert!(is_refused, "{wish:?}: {refused:?}");
    }
    let gone =
        project.commit_as(hidden, &[Wish::Delete { path: path("d/b.txt"), expected: Expected::Anything }]);
    assert!(matches!(gone, Err(CommitError::Path { source: WorkspaceError::NotFound, .. })), "{gone:?}");
    assert_eq!((project.read("a.txt").as_deref(), project.staged()), (Some("a.txt"), 0));
    let blind = FileGrants { read: Vec::new(), ..FileGrants::everything() };
    let stale = project.commit_as(blind, &[write("a.txt", "x", Expected::Absent)]);
    assert!(
        matches!(stale, Err(CommitError::Stale { current: None, .. })),
        "it may not know what is there: {stale:?}"
    );
}

#[test]
fn a_file_stays_what_it_was_save_for_its_content() {
    let project = Project::new();
    let at = project.dir.path().join("a.txt");
    fs::set_permissions(&at, fs::Permissions::from_mode(0o640)).unwrap();
    project.commit(&[write("a.txt", "new", Expected::Anything)]).unwrap();
    let mode = |at: &std::path::Path| at.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&at), 0o640);
    let runs = |executable| Wish::Write {
        path: path("a.txt"),
        content: b"new".to_vec(),
        expected: Expected::Anything,
        executable: Some(executable),
    };
    assert!(project.commit(&[runs(true)]).unwrap().number.is_some());
    assert_eq!(mode(&at), 0o750);
    assert_eq!(project.commit(&[runs(true)]).unwrap().number, None, "it is so already");
    project.commit(&[runs(false)]).unwrap();
    assert_eq!((mode(&at), project.staged()), (0o640, 0));
}

#[test]
fn links_are_followed_by_what_is_written_and_not_by_what_is_removed() {
    let project = Project::new();
    symlink("d/b.txt", project.dir.path().join("link")).unwrap();
    symlink("d", project.dir.path().join("way")).unwrap();
    symlink("/etc", project.dir.path().join("out")).unwrap();
    let done = project.commit(&[write("link", "through", Expected::Anything)]).unwrap();
    assert_eq!(done.versions[0].0, path("d/b.txt"), "where it really is");
    assert_eq!(project.read("d/b.txt").as_deref(), Some("through"));
    project.commit(&[write("way/new.txt", "new", Expected::Absent)]).unwrap();
    assert_eq!(project.read("d/new.txt").as_deref(), Some("new"));
    project.commit(&[Wish::Delete { path: path("link"), expected: Expected::Anything }]).unwrap();
    assert_eq!(project.read("d/b.txt").as_deref(), Some("through"));
    for at in ["out/passwd", "out"] {
        let refused = project.commit(&[write(at, "x", Expected::Anything)]);
        let is_refused =
            matches!(refused, Err(CommitError::Path { source: WorkspaceError::OutsideProject, .. }));
        assert!(is_refused, "{at}: {refused:?}");
    }
}

#[test]
fn an_unfinished_commit_is_finished_before_the_door_opens() {
    let project = Project::new();
    project.commit(&[write("a.txt", "new", Expected::Anything)]).unwrap();
    let Project { dir, gate, workspace } = project;
    drop(workspace);
    // As if the power had failed before anything of it was safe.
    let staged = gate.0.lock().unwrap()[0].0.redo.changes()[0].clone();
    let Operation::Put { staged: name } = &staged.operation else { panic!() };
    fs::rename(dir.path().join("a.txt"), dir.path().join(".longhouse/staged").join(name.as_str())).unwrap();
    let kept = staged.history.unwrap();
    fs::rename(dir.path().join(".longhouse/history").join(kept.as_str()), dir.path().join("a.txt")).unwrap();
    gate.stand(CommitNumber(1), "intended");
    fs::write(dir.path().join(".longhouse/staged/left"), "of a request that was cut off").unwrap();
    fs::create_dir(dir.path().join(".longhouse/staged/too")).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("a.txt")).unwrap(), "a.txt");
    let root = Arc::new(Root::open(dir.path()).unwrap());
    let workspace = Workspace::open(root, Arc::clone(&gate) as _).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("a.txt")).unwrap(), "new");
    drop(workspace);
    assert_eq!(gate.stands(), ["retired"]);
    assert_eq!(fs::read_dir(dir.path().join(".longhouse/staged")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_put_in_place_is_taken_back_and_given_up() {
    let project = Project::new();
    let view = project.view(FileGrants::everything());
    let wishes = [write("a.txt", "new", Expected::Anything), write("d/b.txt", "new", Expected::Anything)];
    let targets = prepare::resolve(&view, &wishes).unwrap();
    let reservation = ReservationId { boot: BootNumber(9), number: 9 };
    let prepared =
        prepare::prepare(&view, &project.workspace.files, targets, &wishes, reservation).ok().unwrap();
    let redo = RedoList::new(prepared.changes).unwrap();
    let number = project.gate.intent(reservation, &redo).unwrap();
    fs::remove_dir_all(project.dir.path().join("d")).unwrap();
    let stopped = project.workspace.put_in_place(number, &redo);
    assert!(matches!(stopped, Err(CommitError::Conflict { .. })), "{stopped:?}");
    assert_eq!(project.read("a.txt").as_deref(), Some("a.txt"), "the first of them is as it was");
    // What is staged is dropped by whoever made it: a run may try again.
    assert_eq!((project.gate.stands(), project.staged()), (vec!["aborted"], 2));
}

#[test]
fn what_comes_to_nothing_keeps_no_paths_from_others_and_leaves_nothing_staged() {
    let project = Project::new();
    let into_itself = Wish::Move { from: path("d"), to: path("d/x"), expected: Expected::Absent };
    project.commit(&[write("new", "x", Expected::Absent), into_itself]).unwrap_err();
    project
        .commit(&[write("new", "x", Expected::Absent), write("a.txt", "x", Expected::Absent)])
        .unwrap_err();
    project.commit(&[write("a.txt", "a.txt", Expected::Anything)]).unwrap();
    project.gate.2.store(true, Ordering::Relaxed);
    let refused = project.commit(&[write("new/file", "x", Expected::Absent)]);
    assert!(matches!(refused, Err(CommitError::Gate(GateError::Refused(_)))), "{refused:?}");
    assert_eq!((project.gate.1.lock().unwrap().len(), project.staged()), (0, 0));
    assert_eq!(project.read("new"), None);
}
