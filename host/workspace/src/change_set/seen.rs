//! What an agent was served, and what a run saw.

use std::collections::HashMap;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use longhouse_core::{ProjectPath, Version};

use super::bases::{Base, Facts};
use super::{ChangeSet, Seen};
use crate::{Kind, Stat, WorkspaceError};

/// How many paths of one agent are remembered at least, and at most twice as many.
const REMEMBERED: usize = 4_096;

/// How a base comes to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Its content was read, or that it is there was what counted.
    Reading,
    /// Its content was replaced.
    Replacing,
    /// It was removed.
    Removing,
}

/// What one agent was last served of which path, by any call or run.
#[derive(Debug, Default)]
pub struct Reader {
    clock: AtomicU64,
    /// The latest, and older ones, which go when there are too many.
    served: Mutex<[HashMap<ProjectPath, (Seen, u64)>; 2]>,
}

impl Reader {
    /// The agent was served this version of what lies at `path` in the project.
    pub fn served(&self, path: ProjectPath, version: Option<Version>) {
        self.note(path, version.map_or(Seen::Nothing, Seen::Version), u64::MAX);
    }

    /// Nothing lies at this path any more, nor beneath it, and the agent knows.
    pub fn gone(&self, path: ProjectPath) {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        for served in &mut *served {
            served.retain(|at, _| !path.is_above(at));
        }
        drop(served);
        self.served(path, None);
    }

    pub(crate) fn last_served(&self, path: &ProjectPath) -> Option<Seen> {
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.iter().find_map(|served| served.get(path)).map(|(seen, _)| *seen)
    }

    /// Notes what was served, unless something was after the time `since`.
    fn note(&self, path: ProjectPath, seen: Seen, since: u64) {
        let at = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if served.iter().find_map(|served| served.get(&path)).is_some_and(|(_, at)| *at >= since) {
            return;
        }
        let [latest, older] = &mut *served;
        if latest.len() >= REMEMBERED {
            *older = std::mem::take(latest);
        }
        older.remove(&path);
        latest.insert(path, (seen, at));
    }

    /// The time, as it goes here.
    pub(super) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }
}

impl ChangeSet {
    /// What has these facts was found at `path` in the project; `file` is that, if it was opened.
    pub(crate) fn saw(
        &self,
        path: &ProjectPath,
        stat: &Stat,
        by: By,
        file: Option<&File>,
    ) -> Result<(), WorkspaceError> {
        if stat.kind == Kind::Directory && by == By::Reading {
            return Ok(());
        }
        let found = Some(Facts::of(stat));
        let before = self.lock().bases.get(path).copied();
        if let Some(before) = before {
            // Other facts may be of the same content.
            let is_other = by == By::Reading
                && before.found != found
                && match (before.seen, file) {
                    (Seen::Nothing | Seen::Facts(_), _) => true,
                    (Seen::Version(version), Some(file)) => self.files.version_of(file)? != version,
                    (Seen::Version(_), None) => Seen::version(&self.files, path)? != before.seen,
                };
            if is_other && let Some(base) = self.lock().bases.get_mut(path) {
                base.is_torn = true;
            }
            return Ok(());
        }
        let served = match by {
            By::Reading => None,
            By::Replacing | By::Removing => self.reader.last_served(path),
        };
        let seen = match served {
            Some(served) => served,
            // What was in it is on record entry by entry; of itself, that it was a directory is enough.
            None if stat.kind == Kind::Directory && by == By::Removing => Seen::Facts(Facts::of(stat)),
            None => Seen::of(&self.files, path, stat, file)?,
        };
        let unseen = Some(by).filter(|by| *by != By::Reading && served.is_none());
        self.lock().bases.entry(path.clone()).or_insert(Base { seen, found, is_torn: false, unseen });
        Ok(())
    }

    /// A directory, with all that is beneath, is moved or removed as it is now.
    pub(super) fn saw_all_of(&self, path: &ProjectPath) -> Result<(), WorkspaceError> {
        if !self.lock().bases.contains_key(path) {
            let seen = Seen::version(&self.files, path)?;
            self.lock().bases.entry(path.clone()).or_insert(Base {
                seen,
                found: None,
                is_torn: false,
                unseen: None,
            });
        }
        Ok(())
    }

    /// Nothing was found at `path` in the project.
    pub(crate) fn saw_nothing(&self, path: &ProjectPath) {
        let nothing = Base { seen: Seen::Nothing, found: None, is_torn: false, unseen: None };
        let mut state = self.lock();
        let base = state.bases.entry(path.clone()).or_insert(nothing);
        base.is_torn |= base.seen != Seen::Nothing;
    }

    /// What lies at `path` is read as a whole: its version will tell it, whatever becomes of its facts.
    pub(super) fn read_base(&self, path: &ProjectPath, file: &File) -> Result<(), WorkspaceError> {
        let stat = Stat::of_open(file)?;
        self.saw(path, &stat, By::Reading, Some(file))?;
        let seen = self.lock().bases.get(path).map(|base| base.seen);
        if seen == Some(Seen::Facts(Facts::of(&stat))) {
            let version = Seen::Version(self.files.version_of(file)?);
            // If it changed meanwhile, what was read may be either.
            let is_torn = Facts::of(&Stat::of_open(file)?) != Facts::of(&stat);
            if let Some(base) = self.lock().bases.get_mut(path) {
                base.seen = version;
                base.is_torn |= is_torn;
            }
        }
        Ok(())
    }

    /// Nothing was found at `path` in the project, and something is to come there: in place of what its agent was last
    /// served, should that have been something.
    pub(crate) fn saw_nothing_to_replace(&self, path: &ProjectPath) {
        let seen = self.reader.last_served(path).unwrap_or(Seen::Nothing);
        let base = Base { seen, found: None, is_torn: false, unseen: None };
        let mut state = self.lock();
        let known = state.bases.contains_key(path);
        let base = state.bases.entry(path.clone()).or_insert(base);
        base.is_torn |= known && base.seen != Seen::Nothing;
    }

    /// The run ended: what it read, its agent was served, unless it was served something after the run began.
    pub fn tell_reader(&self) {
        for (path, base) in &self.lock().bases {
            if !base.is_torn && base.unseen.is_none() && !base.seen.is_directory() {
                self.reader.note(path.clone(), base.seen, self.began);
            }
        }
    }

    /// What was replaced without its agent ever having seen it.
    pub fn blind(&self) -> Vec<ProjectPath> {
        let state = self.lock();
        let blind = state.bases.iter().filter(|(_, base)| base.unseen == Some(By::Replacing));
        let mut blind: Vec<_> = blind.map(|(path, _)| path.clone()).collect();
        blind.sort_unstable();
        blind
    }
}
