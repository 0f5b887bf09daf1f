//! Every prefix of what is done to the disk, with what was not synced dropped, must be brought to a good end.

mod disk;
mod files;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use longhouse_core::{
    BootNumber, Change, Commit, CommitNumber, EntryKind, Operation, ProjectPath, RedoList, ReservationId,
    Timestamp, Unfinished, Version,
};

use super::*;
use disk::{Entries, ModelDisk};

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

const PATHS: [&str; 5] = ["a", "b", "d/a", "d/b", "d/e/a"];

fn path(text: &str) -> ProjectPath {
    text.parse().unwrap()
}

fn project(text: &str) -> Place {
    Place::Project(path(text))
}

fn version(number: u64) -> Version {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    Version { kind: EntryKind::File, hash }
}

/// What a database knows of commits, and when it learned it: after so many things had been done to the disk.
#[derive(Default)]
struct Record {
    intended: Vec<(usize, Arc<Commit>)>,
    published: BTreeMap<CommitNumber, usize>,
    retired: BTreeMap<CommitNumber, usize>,
    aborted: BTreeMap<CommitNumber, usize>,
}

impl Record {
    /// What is unfinished for whoever starts when so many things had been done.
    fn unfinished(&self, length: usize) -> Vec<Unfinished> {
        let by_then = |events: &BTreeMap<CommitNumber, usize>, number: &CommitNumber| {
            events.get(number).is_some_and(|at| *at <= length)
        };
        let known = self.intended.iter().filter(|(at, _)| *at <= length).map(|(_, commit)| commit);
        let open = known.filter(|commit| {
            !by_then(&self.retired, &commit.number) && !by_then(&self.aborted, &commit.number)
        });
        let unfinished = |commit: &Arc<Commit>| Unfinished {
            commit: Arc::clone(commit),
            is_published: by_then(&self.published, &commit.number),
        };
        open.map(unfinished).collect()
    }

    /// Nothing was replaced or removed but what a commit had seen, and that is kept.
    fn all_bases_are_kept(&self, entries: &Entries, length: usize) -> Result<(), String> {
        let known = self
            .intended
            .iter()
            .filter(|(at, commit)| *at <= length && !self.aborted.contains_key(&commit.number));
        for change in known.flat_map(|(_, commit)| commit.redo.changes()) {
            let Some(kept) = change.history.clone().map(Place::Kept) else { continue };
            let found = entries.get(&kept).copied();
            if found.is_none() || (change.base.is_some() && found != change.base) {
                return Err(format!("{change:?} kept {found:?}"));
            }
        }
        Ok(())
    }

    /// What the project holds when all that has a number by then is in place.
    fn truth(&self, start: &Entries, length: usize) -> Entries {
        let mut truth = start.clone();
        for (at, commit) in &self.intended {
            if *at > length || self.aborted.contains_key(&commit.number) {
                continue;
            }
            for change in commit.redo.changes() {
                if let Operation::Move { from } = &change.operation {
                    truth.remove(&Place::Project(from.clone()));
                }
                match change.new {
                    Some(new) => truth.insert(Place::Project(change.path.clone()), new),
                    None => truth.remove(&Place::Project(change.path.clone())),
                };
            }
        }
        truth
    }
}

/// A history of commits, one after the other, with their syncs some time later.
struct History<'a> {
    random: &'a RefCell<Random>,
    disk: &'a ModelDisk<'a>,
    record: Record,
    /// Published and not retired.
    pending: Vec<Arc<Commit>>,
    last_version: u64,
}

impl History<'_> {
    fn commit(&mut self) {
        let Some(redo) = self.some_changes() else { return };
        let number = CommitNumber(self.record.intended.len() as u64 + 1);
        let commit = Arc::new(Commit {
            number,
            reservation: ReservationId { boot: BootNumber(1), number: number.0 },
            agent: None,
            task: None,
            run: None,
            keyed: None,
            at: Timestamp::from_millis(0),
            redo,
        });
        self.record.intended.push((self.disk.length(), Arc::clone(&commit)));
        match apply(self.disk, &commit.redo) {
            Ok(()) => {
                self.record.published.insert(number, self.disk.length());
                self.pending.push(commit);
            }
            Err(Stopped::Conflict { .. }) => {
                self.disk.sync(&touched(&commit.redo)).unwrap();
                self.record.aborted.insert(number, self.disk.length());
                // Nobody needs it any more.
                for change in commit.redo.changes() {
                    if let Operation::Put { staged } = &change.operation {
                        self.disk.unmark(&Place::Staged(staged.clone())).ok();
                    }
                }
            }
            Err(stopped) => panic!("{stopped:?}"),
        }
        if self.random.borrow_mut().chance(50) {
            self.retire();
        }
    }

    /// Syncs what was published, all at once.
    fn retire(&mut self) {
        let directories: BTreeSet<Place> = self.pending.iter().flat_map(|it| touched(&it.redo)).collect();
        self.disk.sync(&directories).unwrap();
        for commit in self.pending.drain(..) {
            self.record.retired.insert(commit.number, self.disk.length());
        }
    }

    fn some_changes(&mut self) -> Option<RedoList> {
        let random = &mut *self.random.borrow_mut();
        let now = self.disk.now();
        let number = self.record.intended.len() + 1;
        let mut free: Vec<&str> = PATHS.to_vec();
        let mut changes = Vec::new();
        for index in 0..1 + random.below(3) {
            if free.is_empty() {
                break;
            }
            let at = free.swap_remove(random.below(free.len()));
            let base = now.get(&project(at)).copied();
            let source = (0..free.len()).find(|index| now.contains_key(&project(free[*index])));
            let name = |kind: &str| format!("{kind}-{number}-{index}").parse().unwrap();
            let (operation, new) = match (random.below(4), base, source) {
                (0, Some(_), _) => (Operation::Remove, None),
                (1, _, Some(source)) => {
                    let from = free.swap_remove(source);
                    (Operation::Move { from: path(from) }, now.get(&project(from)).copied())
                }
                _ => {
                    self.last_version += 1;
                    let new = version(self.last_version);
                    self.disk.stage(Place::Staged(name("s")), new);
                    (Operation::Put { staged: name("s") }, Some(new))
                }
            };
            let is_kept = base.is_some() || matches!(operation, Operation::Move { .. });
            let history = is_kept.then(|| name("h"));
            changes.push(Change { path: path(at), operation, base, new, history });
        }
        RedoList::new(changes).ok()
    }
}

/// What somebody outside had changed; the disk does everything.
fn recovered(disk: &dyn Disk, unfinished: &[Unfinished]) -> Vec<External> {
    let Recovered { finished, external, stopped } = recover(disk, unfinished);
    assert!(stopped.is_none() && finished == unfinished.len(), "{stopped:?}");
    external
}

fn in_project(entries: &Entries) -> Entries {
    let project = entries.iter().filter(|(place, _)| matches!(place, Place::Project(_)));
    project.map(|(place, version)| (place.clone(), *version)).collect()
}

fn start() -> Entries {
    BTreeMap::from([(project("a"), version(1_000)), (project("d/a"), version(1_001))])
}

/// What does not agree after some loss of power, if anything; how many were tried.
fn every_loss(seed: u64, forgotten: Option<fn(&Place) -> bool>) -> Result<usize, String> {
    let random = RefCell::new(Random(seed));
    let disk = ModelDisk::new(start());
    let disk = match forgotten {
        Some(forgotten) => disk.forgetting(forgotten),
        None => disk,
    };
    let mut history =
        History { random: &random, disk: &disk, record: Record::default(), pending: vec![], last_version: 0 };
    for _ in 0..6 {
        history.commit();
    }
    let mut tried = 0;
    for length in 0..=disk.length() {
        for kept in disk.safe(length)..=length {
            tried += 1;
            let unfinished = history.record.unfinished(length);
            let again = ModelDisk::new(disk.after(length, kept));
            let external = recovered(&again, &unfinished);
            if !external.is_empty() {
                return Err(format!("{length}/{kept}: nobody came from outside, and not {external:?}"));
            }
            history.record.all_bases_are_kept(&again.now(), length)?;
            let expected = history.record.truth(&start(), length);
            let found = in_project(&again.now());
            if found != expected {
                return Err(format!("{length}/{kept}: {found:?}, and not {expected:?}"));
            }
            // Whoever recovers may be cut off, too.
            let cut = random.borrow_mut().below(again.length() + 1);
            let third = ModelDisk::new(again.after(cut, cut));
            recovered(&third, &unfinished);
            if in_project(&third.now()) != expected {
                return Err(format!("{length}/{kept}/{cut}: {:?}, and not {expected:?}", third.now()));
            }
        }
    }
    Ok(tried)
}

#[test]
fn every_loss_of_power_is_recovered_from() {
    let mut tried = 0;
    for seed in 0..1_000 {
        tried += every_loss(seed, None).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    }
    println!("{tried} losses of power in 1,000 histories");
    assert!(tried > 50_000, "{tried}");
}

#[test]
fn without_any_one_sync_something_is_lost() {
    let left_out: [fn(&Place) -> bool; 5] = [
        |place| matches!(place, Place::Staged(_)),
        |place| matches!(place, Place::Kept(_)),
        |place| matches!(place, Place::Project(path) if path.is_root()),
        |place| matches!(place, Place::Project(path) if path.as_str() == "d"),
        |place| matches!(place, Place::Project(path) if path.as_str() == "d/e"),
    ];
    for (index, forgotten) in left_out.into_iter().enumerate() {
        let found = (0..1_000).find_map(|seed| every_loss(seed, Some(forgotten)).err());
        assert!(found.is_some(), "nobody missed sync {index}");
    }
}

/// Somebody outside changes files all the while: nothing of theirs is ever lost, and nothing of a commit.
#[test]
fn what_somebody_outside_wrote_is_never_lost() {
    let (mut conflicts, mut externals) = (0, 0);
    for seed in 0..5_000 {
        let random = RefCell::new(Random(seed));
        let theirs = RefCell::new(BTreeSet::new());
        let last = RefCell::new(Entries::new());
        let outsider = |now: &Entries| {
            let random = &mut *random.borrow_mut();
            if !random.chance(20) {
                return None;
            }
            let at = project(PATHS[random.below(PATHS.len())]);
            // What they replace or remove themselves is gone by their own doing.
            if let Some(replaced) = now.get(&at) {
                theirs.borrow_mut().remove(replaced);
            }
            if random.chance(20) && now.contains_key(&at) {
                last.borrow_mut().remove(&at);
                return Some((at, None));
            }
            let written = version(10_000 + random.below(1_000_000_000) as u64);
            theirs.borrow_mut().insert(written);
            last.borrow_mut().insert(at.clone(), written);
            Some((at, Some(written)))
        };
        let disk = ModelDisk::new(start()).with_outsider(&outsider);
        let mut history = History {
            random: &random,
            disk: &disk,
            record: Record::default(),
            pending: vec![],
            last_version: 0,
        };
        for _ in 0..6 {
            last.borrow_mut().clear();
            history.commit();
            let (now, last) = (disk.now(), last.borrow());
            let not_there: Vec<_> =
                last.iter().filter(|(at, written)| now.get(at) != Some(written)).collect();
            assert!(not_there.is_empty(), "seed {seed}: their last word {not_there:?} is not in {now:?}");
        }
        conflicts += history.record.aborted.len();
        let kept: BTreeSet<Version> = disk.now().into_values().collect();
        let lost: Vec<_> = theirs.borrow().difference(&kept).copied().collect();
        assert_eq!(lost, [], "seed {seed}: {:?}", disk.now());
        history.record.all_bases_are_kept(&disk.now(), disk.length()).unwrap();
        // And if the server dies in the middle and begins again, with them still at work.
        for length in 0..=disk.length() {
            let before = disk.after(length, length);
            let again = ModelDisk::new(before.clone());
            let found = recovered(&again, &history.record.unfinished(length));
            externals += found.len();
            let kept: BTreeSet<Version> = again.now().into_values().collect();
            let lost: Vec<_> = before.values().filter(|version| !kept.contains(*version)).collect();
            assert!(lost.is_empty(), "seed {seed}, {length}: {lost:?} of {before:?}, then {:?}", again.now());
        }
    }
    println!("{conflicts} conflicts, {externals} changes from outside found by recovery");
    assert!(conflicts > 100 && externals > 100, "{conflicts} {externals}");
}
