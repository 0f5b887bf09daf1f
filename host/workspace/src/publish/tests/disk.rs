//! A disk that can be cut off anywhere, and forgets what was not synced.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};

use longhouse_core::Version;

use super::super::{Disk, Place};

/// Somebody outside: what they write where, if they do, seeing this.
pub(super) type Outsider<'a> = &'a dyn Fn(&Entries) -> Option<(Place, Option<Version>)>;

pub(super) type Entries = BTreeMap<Place, Version>;

/// Something that was done to names.
#[derive(Debug, Clone)]
pub(super) enum Done {
    Exchange(Place, Place),
    Rename(Place, Place),
    Mark(Place),
    Unmark(Place),
    Stage(Place, Version),
    /// By somebody outside.
    Outside(Place, Option<Version>),
}

impl Done {
    fn places(&self) -> Vec<&Place> {
        match self {
            Self::Exchange(one, other) | Self::Rename(one, other) => vec![one, other],
            Self::Mark(place) | Self::Unmark(place) | Self::Outside(place, _) => vec![place],
            Self::Stage(..) => vec![],
        }
    }

    fn apply(&self, entries: &mut Entries) {
        match self {
            Self::Exchange(one, other) => {
                let (a, b) = (entries.remove(one).unwrap(), entries.remove(other).unwrap());
                entries.extend([(one.clone(), b), (other.clone(), a)]);
            }
            Self::Rename(from, to) => {
                let entry = entries.remove(from).unwrap();
                entries.insert(to.clone(), entry);
            }
            Self::Mark(place) => {
                entries.insert(place.clone(), mark());
            }
            Self::Stage(place, version) | Self::Outside(place, Some(version)) => {
                entries.insert(place.clone(), *version);
            }
            Self::Unmark(place) | Self::Outside(place, None) => {
                entries.remove(place);
            }
        }
    }
}

/// The version of a mark.
fn mark() -> Version {
    Version { kind: longhouse_core::EntryKind::Link, hash: [0; 32] }
}

/// The disk, and everything that was done to it, in order.
pub(super) struct ModelDisk<'a> {
    start: Entries,
    state: RefCell<State>,
    /// Somebody outside, who comes before each operation.
    outsider: Option<Outsider<'a>>,
}

#[derive(Default, Clone)]
struct State {
    now: Entries,
    log: Vec<Done>,
    /// For each thing done, its directories that were not synced since.
    unsynced: Vec<BTreeSet<Place>>,
    /// How much of the log can be relied on, after each thing done.
    safe: Vec<usize>,
    /// Syncs leave these directories out.
    forgotten: Option<fn(&Place) -> bool>,
}

impl<'a> ModelDisk<'a> {
    pub(super) fn new(start: Entries) -> Self {
        let state = State { now: start.clone(), ..State::default() };
        Self { start, state: RefCell::new(state), outsider: None }
    }

    pub(super) fn with_outsider(self, outsider: Outsider<'a>) -> Self {
        Self { outsider: Some(outsider), ..self }
    }

    /// Syncs leave directories out that fit.
    pub(super) fn forgetting(self, forgotten: fn(&Place) -> bool) -> Self {
        self.state.borrow_mut().forgotten = Some(forgotten);
        self
    }

    pub(super) fn now(&self) -> Entries {
        self.state.borrow().now.clone()
    }

    /// How much was done.
    pub(super) fn length(&self) -> usize {
        self.state.borrow().log.len()
    }

    /// Stages an entry. It is synced by itself before anything is done with it, whatever becomes of what was done before.
    pub(super) fn stage(&self, place: Place, version: Version) {
        self.do_it(Done::Stage(place, version));
    }

    /// The least of the log that is there after the power failed when `length` things had been done.
    pub(super) fn safe(&self, length: usize) -> usize {
        if length == 0 { 0 } else { self.state.borrow().safe[length - 1] }
    }

    /// What is there if the power failed when `length` things had been done, and the first `kept` of them had reached the
    /// disk.
    pub(super) fn after(&self, length: usize, kept: usize) -> Entries {
        let mut entries = self.start.clone();
        for (index, done) in self.state.borrow().log.iter().take(length).enumerate() {
            if index < kept || matches!(done, Done::Stage(..)) {
                done.apply(&mut entries);
            }
        }
        entries
    }

    fn do_it(&self, done: Done) {
        let state = &mut *self.state.borrow_mut();
        done.apply(&mut state.now);
        state.unsynced.push(done.places().into_iter().map(Place::directory).map(whole).collect());
        state.log.push(done);
        let safe = state.unsynced.iter().take_while(|directories| directories.is_empty()).count();
        state.safe.push(safe);
    }

    fn somebody_comes(&self) {
        let came = self.outsider.and_then(|outsider| outsider(&self.now()));
        if let Some((place, version)) = came {
            self.do_it(Done::Outside(place, version));
        }
    }
}

/// One name for all of a private directory.
fn whole(directory: Place) -> Place {
    let all = || "all".parse().unwrap();
    match directory {
        Place::Project(path) => Place::Project(path),
        Place::Staged(_) => Place::Staged(all()),
        Place::Kept(_) => Place::Kept(all()),
    }
}

impl Disk for ModelDisk<'_> {
    fn version(&self, place: &Place) -> io::Result<Option<Version>> {
        Ok(self.state.borrow().now.get(place).copied())
    }

    fn exchange(&self, one: &Place, other: &Place) -> io::Result<()> {
        self.somebody_comes();
        let now = self.now();
        if !now.contains_key(one) || !now.contains_key(other) {
            return Err(ErrorKind::NotFound.into());
        }
        self.do_it(Done::Exchange(one.clone(), other.clone()));
        Ok(())
    }

    fn rename(&self, from: &Place, to: &Place) -> io::Result<()> {
        self.somebody_comes();
        let now = self.now();
        if !now.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        if now.contains_key(to) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.do_it(Done::Rename(from.clone(), to.clone()));
        Ok(())
    }

    fn mark(&self, place: &Place) -> io::Result<()> {
        if self.now().contains_key(place) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.do_it(Done::Mark(place.clone()));
        Ok(())
    }

    fn unmark(&self, place: &Place) -> io::Result<()> {
        if !self.now().contains_key(place) {
            return Err(ErrorKind::NotFound.into());
        }
        self.do_it(Done::Unmark(place.clone()));
        Ok(())
    }

    fn sync(&self, directories: &BTreeSet<Place>) -> io::Result<()> {
        let state = &mut *self.state.borrow_mut();
        for directory in directories.iter().cloned().map(whole) {
            if !state.forgotten.is_some_and(|forgotten| forgotten(&directory)) {
                for unsynced in &mut state.unsynced {
                    unsynced.remove(&directory);
                }
            }
        }
        let safe = state.unsynced.iter().take_while(|unsynced| unsynced.is_empty()).count();
        if let Some(last) = state.safe.last_mut() {
            *last = safe;
        }
        Ok(())
    }
}
