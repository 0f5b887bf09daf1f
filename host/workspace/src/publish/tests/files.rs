//! On a real disk.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::Path;

use longhouse_core::EntryName;

use super::*;
use crate::Root;

/// A disk that fails after so many operations: from then on, or once.
struct CutOff<'a> {
    disk: &'a Files,
    left: Cell<usize>,
    once: bool,
}

impl CutOff<'_> {
    fn next(&self) -> io::Result<()> {
        match self.left.get() {
            0 if self.once => {
                self.left.set(usize::MAX);
                Err(io::ErrorKind::PermissionDenied.into())
            }
            0 => Err(io::Error::other("the power is off")),
            left => {
                self.left.set(left - 1);
                Ok(())
            }
        }
    }
}

impl Disk for CutOff<'_> {
    fn version(&self, place: &Place) -> io::Result<Option<Version>> {
        self.disk.version(place)
    }

    fn exchange(&self, one: &Place, other: &Place) -> io::Result<()> {
        self.next().and_then(|()| self.disk.exchange(one, other))
    }

    fn rename(&self, from: &Place, to: &Place) -> io::Result<()> {
        self.next().and_then(|()| self.disk.rename(from, to))
    }

    fn mark(&self, place: &Place) -> io::Result<()> {
        self.next().and_then(|()| self.disk.mark(place))
    }

    fn unmark(&self, place: &Place) -> io::Result<()> {
        self.next().and_then(|()| self.disk.unmark(place))
    }

    fn sync(&self, directories: &BTreeSet<Place>) -> io::Result<()> {
        self.disk.sync(directories)
    }
}

struct Project {
    dir: tempfile::TempDir,
    disk: Files,
}

impl Project {
    /// Files of which each holds its own name, and one that is staged.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".longhouse")).unwrap();
        let disk = Files::open(Arc::new(Root::open(dir.path()).unwrap())).unwrap();
        for path in ["replaced", "removed", "d/moved", "overwritten", "d/over", "tree/x/y", "tree/z"] {
            write(&dir.path().join(path), path);
        }
        for path in ["new", "replaced"] {
            write(&dir.path().join(".longhouse/staged").join(path), &format!("staged {path}"));
        }
        std::os::unix::fs::symlink("replaced", dir.path().join("link")).unwrap();
        Self { dir, disk }
    }

    fn version(&self, place: Place) -> Option<Version> {
        self.disk.version(&place).unwrap()
    }

    fn change(&self, at: &str, operation: Operation) -> Change {
        let base = self.version(project(at));
        let new = match &operation {
            Operation::Put { staged } => self.version(Place::Staged(staged.clone())),
            Operation::Move { from } => self.version(Place::Project(from.clone())),
            Operation::Remove | Operation::Found => None,
        };
        let is_kept = base.is_some() || matches!(operation, Operation::Move { .. });
        let history = is_kept.then(|| format!("h-{}", at.replace('/', "-")).parse().unwrap());
        Change { path: path(at), operation, base, new, history }
    }

    /// One of every kind.
    fn everything(&self) -> RedoList {
        let put = |name: &str| Operation::Put { staged: name.parse().unwrap() };
        let moved = |from: &str| Operation::Move { from: path(from) };
        RedoList::new(vec![
            self.change("new", put("new")),
            self.change("replaced", put("replaced")),
            self.change("removed", Operation::Remove),
            self.change("d/arrived", moved("d/moved")),
            self.change("overwritten", moved("d/over")),
            self.change("d/tree", moved("tree")),
            self.change("d/link", moved("link")),
        ])
        .unwrap()
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join(path)).ok()
    }

    fn is_all_in_place(&self) -> bool {
        let holds = |path: &str, content: &str| self.read(path).as_deref() == Some(content);
        let gone = ["removed", "d/moved", "d/over", "tree", "link"]
            .iter()
            .all(|path| !self.dir.path().join(path).exists());
        let kept = [("replaced", "replaced"), ("removed", "removed"), ("overwritten", "overwritten")];
        gone && holds("new", "staged new")
            && holds("replaced", "staged replaced")
            && holds("d/arrived", "d/moved")
            && holds("overwritten", "d/over")
            && holds("d/tree/x/y", "tree/x/y")
            && fs::read_link(self.dir.path().join("d/link")).is_ok_and(|to| to == Path::new("replaced"))
            && kept.iter().all(|(name, content)| holds(&format!(".longhouse/history/h-{name}"), content))
            && fs::read_dir(self.dir.path().join(".longhouse/staged")).unwrap().count() == 0
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn unfinished(redo: &RedoList) -> [Unfinished; 1] {
    let commit = Commit {
        number: CommitNumber(1),
        reservation: ReservationId { boot: BootNumber(1), number: 1 },
        agent: None,
        task: None,
        run: None,
        keyed: None,
        at: Timestamp::from_millis(0),
        redo: redo.clone(),
    };
    [Unfinished { commit: Arc::new(commit), is_published: false }]
}

#[test]
fn everything_is_put_in_place_and_what_it_replaced_is_kept() {
    let project = Project::new();
    let redo = project.everything();
    apply(&project.disk, &redo).unwrap();
    project.disk.sync(&touched(&redo)).unwrap();
    assert!(project.is_all_in_place());
    assert_eq!(recovered(&project.disk, &unfinished(&redo)), [], "it is all there");
    undo(&project.disk, redo.changes()).unwrap();
    let names = Project::new();
    for path in ["replaced", "removed", "d/moved", "overwritten", "d/over", "tree/x/y", "tree/z"] {
        assert_eq!(project.read(path), names.read(path), "{path}");
    }
    assert_eq!(project.read("new"), None);
}

#[test]
fn what_is_cut_off_anywhere_is_finished_by_whoever_comes_next() {
    let mut cut = 0;
    loop {
        let project = Project::new();
        let redo = project.everything();
        let done = apply(&CutOff { disk: &project.disk, left: Cell::new(cut), once: false }, &redo);
        // Whoever recovers may be cut off, too.
        let _ = recover(
            &CutOff { disk: &project.disk, left: Cell::new(cut % 3), once: false },
            &unfinished(&redo),
        );
        assert_eq!(recovered(&project.disk, &unfinished(&redo)), [], "cut off after {cut}");
        assert!(project.is_all_in_place(), "cut off after {cut}");
        if done.is_ok() {
            break;
        }
        cut += 1;
    }
    assert!(cut > 10, "{cut}");
}

#[test]
fn what_the_disk_refuses_is_taken_back_or_finished_later() {
    let (mut taken_back, mut half_done) = (0, 0);
    for nth in 0.. {
        let project = Project::new();
        let redo = project.everything();
        match apply(&CutOff { disk: &project.disk, left: Cell::new(nth), once: true }, &redo) {
            Ok(()) => break,
            Err(Stopped::Failed { .. }) => {
                taken_back += 1;
                for path in ["replaced", "removed", "d/moved", "overwritten", "d/over", "tree/x/y", "tree/z"]
                {
                    assert_eq!(project.read(path).as_deref(), Some(path), "refused the {nth}th");
                }
                assert_eq!(project.read("new"), None, "refused the {nth}th");
            }
            Err(Stopped::HalfDone { .. }) => {
                half_done += 1;
                assert_eq!(recovered(&project.disk, &unfinished(&redo)), [], "refused the {nth}th");
                assert!(project.is_all_in_place(), "refused the {nth}th");
            }
            Err(stopped @ Stopped::Conflict { .. }) => panic!("refused the {nth}th: {stopped:?}"),
        }
    }
    assert!(taken_back >= 7 && half_done > 3, "{taken_back} {half_done}");
}

#[test]
fn what_somebody_changed_in_between_stays_and_the_rest_is_as_it_was() {
    for changed in ["replaced", "removed", "d/moved", "overwritten", "d/over", "new", "tree/new", "d/tree"] {
        let project = Project::new();
        let redo = project.everything();
        write(&project.dir.path().join(changed), "theirs");
        let stopped = apply(&project.disk, &redo);
        assert!(matches!(stopped, Err(Stopped::Conflict { .. })), "{changed}: {stopped:?}");
        assert_eq!(project.read(changed).as_deref(), Some("theirs"), "{changed}");
        for path in ["replaced", "removed", "d/moved", "overwritten", "d/over", "tree/x/y", "tree/z"] {
            assert!(path == changed || project.read(path).as_deref() == Some(path), "{changed}: {path}");
        }
        for name in ["new", "replaced"] {
            let staged: EntryName = name.parse().unwrap();
            assert!(project.version(Place::Staged(staged)).is_some(), "{changed}: {name} is still staged");
        }
    }
}

#[test]
fn a_link_on_the_way_leads_nowhere() {
    let project = Project::new();
    let redo = RedoList::new(vec![project.change("d/moved", Operation::Remove)]).unwrap();
    let dir = project.dir.path();
    fs::rename(dir.join("d"), dir.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", dir.join("d")).unwrap();
    assert!(matches!(apply(&project.disk, &redo), Err(Stopped::Conflict { .. })));
    assert_eq!(project.read("elsewhere/moved").as_deref(), Some("d/moved"));
}

#[test]
fn a_directory_of_ten_thousand_files_moves_at_once() {
    let project = Project::new();
    for n in 0..10_000 {
        write(&project.dir.path().join(format!("big/{}/{n}", n % 10)), "x");
    }
    let redo = RedoList::new(vec![project.change("moved", Operation::Move { from: path("big") })]).unwrap();
    let started = std::time::Instant::now();
    apply(&project.disk, &redo).unwrap();
    println!("10,000 files moved in {:?}", started.elapsed());
    assert_eq!(project.read("moved/7/7").as_deref(), Some("x"));
}
