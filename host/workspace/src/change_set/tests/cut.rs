//! The server dies at some point of the way that a run's changes take into the project. Whoever begins again finds all of
//! them there, or none, and can take them back.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use longhouse_core::{
    Abort, Author, CommitGate, CommitNumber, GateError, Granted, Journaled, RedoList, Reservation,
    ReservationId, Timestamp, Undo, Unfinished, Version,
};

use super::model::{self, Random};
use super::*;
use crate::publish::{Disk, Files, Place, apply, recover};

/// Where in the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// Before anything is reserved.
    Reserve,
    /// When everything is staged, synced and compared, and has no number.
    Intent,
    /// When it has a number, and nothing is in place, or so many operations were carried out.
    Numbered(usize),
    /// When all is in place, and nobody knows.
    Published,
    /// When the directories are synced, and nobody knows.
    Retired,
}

/// What a dying server panics with, quietly.
struct Died;

fn die() -> ! {
    resume_unwind(Box::new(Died))
}

fn until_death<T>(work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.map_err(|panic| if panic.is::<Died>() { panic } else { resume_unwind(panic) })
}

/// A coordinator that outlives the server, which dies where it asks it something.
struct Dying {
    gate: Arc<Lenient>,
    at: Point,
}

impl Dying {
    fn reached(&self, point: Point) {
        let is_there = match (self.at, point) {
            (Point::Numbered(_), Point::Numbered(_)) => true,
            (at, point) => at == point,
        };
        if is_there {
            die();
        }
    }
}

impl CommitGate for Dying {
    fn reserve(
        &self,
        paths: &Reservation,
        author: &Author,
        until: Option<Timestamp>,
    ) -> Result<Granted, GateError> {
        self.reached(Point::Reserve);
        self.gate.reserve(paths, author, until)
    }

    fn renew(&self, reservation: ReservationId) -> Result<Timestamp, GateError> {
        self.gate.renew(reservation)
    }

    fn intent(&self, reservation: ReservationId, redo: &RedoList) -> Result<CommitNumber, GateError> {
        self.reached(Point::Intent);
        let number = self.gate.intent(reservation, redo)?;
        self.reached(Point::Numbered(0));
        Ok(number)
    }

    fn published(&self, commit: CommitNumber) {
        self.reached(Point::Published);
        self.gate.published(commit);
    }

    fn retired(&self, commits: &[CommitNumber]) {
        self.reached(Point::Retired);
        self.gate.retired(commits);
    }

    fn abort(&self, what: Undo, why: Abort) {
        self.gate.abort(what, why);
    }

    fn last_commit(&self) -> Result<CommitNumber, GateError> {
        self.gate.last_commit()
    }

    fn journal(&self, after: CommitNumber, limit: u32) -> Result<Vec<Journaled>, GateError> {
        self.gate.journal(after, limit)
    }

    fn unfinished(&self) -> Result<Vec<Unfinished>, GateError> {
        self.gate.unfinished()
    }
}

/// The real disk, for so many operations.
struct ShortLived<'a> {
    files: &'a Files,
    left: Cell<usize>,
}

impl ShortLived<'_> {
    fn spend(&self) -> &Files {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => die(),
        }
        self.files
    }
}

impl Disk for ShortLived<'_> {
    fn version(&self, place: &Place) -> io::Result<Option<Version>> {
        self.files.version(place)
    }

    fn exchange(&self, one: &Place, other: &Place) -> io::Result<()> {
        self.spend().exchange(one, other)
    }

    fn rename(&self, from: &Place, to: &Place) -> io::Result<()> {
        self.spend().rename(from, to)
    }

    fn mark(&self, place: &Place) -> io::Result<()> {
        self.spend().mark(place)
    }

    fn unmark(&self, place: &Place) -> io::Result<()> {
        self.spend().unmark(place)
    }

    fn sync(&self, directories: &BTreeSet<Place>) -> io::Result<()> {
        self.spend().sync(directories)
    }
}

/// Another server for what the last one left.
fn serve(project: Project, wrap: impl FnOnce(Arc<Lenient>) -> Arc<dyn CommitGate + Send + Sync>) -> Project {
    let Project { dir, gate, workspace } = project;
    // Whatever it was still at work on it leaves, if it died.
    drop(workspace);
    let root = Arc::new(Root::open(dir.path()).unwrap());
    let workspace = Workspace::open(root, wrap(Arc::clone(&gate))).unwrap();
    Project { dir, gate, workspace }
}

/// Publishes the run of this seed, with the server dying on the way. `None` if it ended before.
fn cut_off(seed: u64, at: Point) -> Option<()> {
    let mut random = Random(seed);
    let (project, native) = model::begin(seed, &mut random);
    let before = model::tree(native.path());
    let project = serve(project, |gate| Arc::new(Dying { gate, at }));
    let run = project.run("r1-1");
    for step in 0..30 {
        model::act(seed, &mut random, step, &run, native.path());
    }
    let after = model::tree(native.path());
    let published = until_death(|| project.publish(&run));
    let is_dead = published.is_err();
    if let Ok(published) = published {
        // Directories are synced later, by a thread that dies alone.
        published.unwrap().number?;
        assert_eq!(at, Point::Retired, "seed {seed}: it lives on");
    }
    // A process that is gone takes nothing back.
    std::mem::forget(run);
    let is_numbered = !project.gate.commits().is_empty();
    assert_eq!(is_numbered, matches!(at, Point::Numbered(_) | Point::Published | Point::Retired), "{at:?}");
    if let Point::Numbered(operations) = at {
        let files = Files::open(Arc::clone(project.workspace.root())).unwrap();
        let short_lived = |left| ShortLived { files: &files, left: Cell::new(left) };
        let redo = project.gate.commits().remove(0).redo.clone();
        until_death(|| apply(&short_lived(operations), &redo)).err()?;
        // And the next one, when it had begun to mend that.
        let unfinished = project.gate.unfinished().unwrap();
        let _ = until_death(|| recover(&short_lived(random.below(operations + 2)), &unfinished));
    }
    assert!(is_dead || at == Point::Retired);
    let project = serve(project, |gate| gate);
    let expected = if is_numbered { &after } else { &before };
    assert_eq!(model::tree(project.dir.path()), *expected, "seed {seed}, {at:?}");
    assert_eq!(project.staged(), 0, "seed {seed}, {at:?}: something stays staged");
    if is_numbered {
        assert_eq!(project.undo("u", 1), [""; 0], "seed {seed}, {at:?}");
        assert_eq!(model::tree(project.dir.path()), before, "seed {seed}, {at:?}: taken back");
    }
    Some(())
}

#[test]
fn wherever_the_server_dies_a_run_is_published_whole_or_not_at_all() {
    let mut cuts = 0;
    for seed in 0..60 {
        for at in [Point::Reserve, Point::Intent, Point::Published, Point::Retired] {
            cuts += usize::from(cut_off(seed, at).is_some());
        }
        let operations = (0..).take_while(|count| cut_off(seed, Point::Numbered(*count)).is_some());
        cuts += operations.count();
    }
    println!("{cuts} servers died");
    assert!(cuts > 300, "{cuts}");
}
