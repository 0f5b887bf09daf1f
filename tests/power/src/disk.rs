//! A disk with a cache that has no battery: what is written is read back at once, and is on the disk once it was synced.
//!
//! The real files hold what is on the disk, and nothing else. So a process that ends loses what it did not sync, as a
//! machine does whose power fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::Random;

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// One directory's files. Those of other directories are the system's.
#[derive(Debug, Default)]
pub struct Disk(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<PathBuf, File>,
    /// Files that were created, and whose directory was not synced since.
    unlisted: BTreeSet<PathBuf>,
    /// Calls that change something, so far.
    calls: u64,
    cut: Option<Cut>,
    fault: Option<Fault>,
    /// How often a call failed as planned.
    failed: u64,
}

#[derive(Debug, Clone, Default)]
struct File {
    /// As it is read.
    content: Vec<u8>,
    /// What the real file does not have yet, in order.
    unsynced: Vec<Change>,
}

/// A change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

/// The end of the power.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Before the call of this number.
    pub at: u64,
    /// What becomes of what was not synced.
    pub leaves: Leaves,
    pub seed: u64,
    /// Ends the process.
    pub then: fn(Loss),
}

/// What is on the disk, of what was not synced when the power failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Leaves {
    Nothing,
    /// Of each file the first changes, and of the next one some sectors.
    Beginning,
    /// Any sectors of any changes.
    Anything,
}

/// What the cut did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Loss {
    /// Changes of which nothing is on the disk.
    pub dropped: u64,
    /// Changes of which a part is.
    pub torn: u64,
    /// Changes that got there without having been synced.
    pub kept: u64,
    /// Files whose creation was forgotten.
    pub unlisted: u64,
    /// Whether a checkpoint was cut: the database had changes that were not synced, and not the WAL alone.
    pub in_database: bool,
}

/// A disk that fails.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// From the call of this number on.
    pub at: u64,
    pub kind: FaultKind,
    /// Until when.
    pub lasts: Lasts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Files cannot grow.
    Full,
    /// Nothing can be written, as where the file system copies what it changes.
    FullForAll,
    /// Writing fails.
    Write,
    /// Syncing fails. What was to be synced is still read and will never be on the disk, as on Linux
    /// (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020).
    Sync,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    /// It was that one call.
    Once,
    /// [`Disk::repair`].
    UntilRepaired,
}

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Full,
    Write,
    Sync,
}

impl Disk {
    /// The power fails then.
    pub fn cut(&self, cut: Cut) {
        self.state().cut = Some(cut);
    }

    /// The disk fails, as many calls from now as `fault.at` says.
    pub fn fail(&self, fault: Fault) {
        let mut state = self.state();
        let at = state.calls + fault.at;
        state.fault = Some(Fault { at, ..fault });
    }

    /// The disk works from now on. How often it failed since it was last asked.
    pub fn repair(&self) -> u64 {
        let mut state = self.state();
        state.fault = None;
        std::mem::take(&mut state.failed)
    }

    /// How often it failed since it was repaired.
    pub fn failed(&self) -> u64 {
        self.state().failed
    }

    /// Copies what a machine would find after its power failed now.
    pub fn copy_what_is_synced(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        let _nobody_writes = self.state();
        copy(from, to)
    }

    /// The same in another directory, which is made. It does not fail.
    pub(crate) fn as_left(&self, from: &Path, to: &Path) -> std::io::Result<Self> {
        let state = self.state();
        copy(from, to)?;
        let to = to.canonicalize()?;
        let moved = |path: &PathBuf| to.join(path.file_name().unwrap_or_default());
        let files = state.files.iter().map(|(path, file)| (moved(path), file.clone())).collect();
        let unlisted = state.unlisted.iter().map(moved).collect();
        Ok(Self(Mutex::new(State { files, unlisted, ..State::default() })))
    }

    /// Begins to keep a file, which has this content.
    pub(crate) fn open(&self, path: &Path, content: impl FnOnce() -> Vec<u8>, created: bool) {
        let mut state = self.state();
        if created {
            state.count();
            state.unlisted.insert(path.to_owned());
        }
        state
            .files
            .entry(path.to_owned())
            .or_insert_with(|| File { content: content(), unsynced: Vec::new() });
    }

    /// How many bytes were read, the rest of `into` being behind the file's end.
    pub(crate) fn read(&self, path: &Path, offset: u64, into: &mut [u8]) -> usize {
        let state = self.state();
        let content = state.files.get(path).map_or(&[][..], |file| &file.content);
        let rest = content.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        into[length..].fill(0);
        length
    }

    pub(crate) fn len(&self, path: &Path) -> u64 {
        self.state().files.get(path).map_or(0, |file| file.content.len() as u64)
    }

    pub(crate) fn write(&self, path: &Path, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        let mut state = self.state();
        state.count();
        let length = state.files.get(path).map_or(0, |file| file.content.len() as u64);
        let failure = match state.failing() {
            Some(FaultKind::Full) if offset + bytes.len() as u64 > length => Some(Failure::Full),
            Some(FaultKind::FullForAll) => Some(Failure::Full),
            Some(FaultKind::Write) => Some(Failure::Write),
            Some(FaultKind::Full | FaultKind::Sync) | None => None,
        };
        // A write that fails has done a part of its work.
        let written = if failure.is_some() { &bytes[..bytes.len() / 2] } else { bytes };
        state.change(path, Change::Write { offset, bytes: written.to_vec() });
        state.outcome(failure)
    }

    pub(crate) fn set_len(&self, path: &Path, length: u64) -> Result<(), Failure> {
        let mut state = self.state();
        state.count();
        let failure = match state.failing() {
            Some(FaultKind::Write) => Some(Failure::Write),
            Some(FaultKind::Full | FaultKind::FullForAll | FaultKind::Sync) | None => None,
        };
        if failure.is_none() {
            state.change(path, Change::SetLen(length));
        }
        state.outcome(failure)
    }

    /// Brings everything that was changed onto the disk by `apply`.
    pub(crate) fn sync<E>(
        &self,
        path: &Path,
        lists: bool,
        mut apply: impl FnMut(&Change) -> Result<(), E>,
    ) -> Result<Result<(), E>, Failure> {
        let mut state = self.state();
        state.count();
        let Some(file) = state.files.get_mut(path) else { return Ok(Ok(())) };
        let unsynced = std::mem::take(&mut file.unsynced);
        let failure = match state.failing() {
            Some(FaultKind::Sync) => Some(Failure::Sync),
            Some(FaultKind::Full | FaultKind::FullForAll | FaultKind::Write) | None => None,
        };
        state.outcome(failure)?;
        if lists {
            state.unlisted.clear();
        }
        Ok(unsynced.iter().try_for_each(&mut apply))
    }

    /// Forgets a file that was deleted.
    pub(crate) fn delete(&self, path: &Path, listed: bool, delete: impl FnOnce() -> i32) -> i32 {
        let mut state = self.state();
        state.count();
        state.files.remove(path);
        state.unlisted.remove(path);
        if listed {
            state.unlisted.clear();
        }
        delete()
    }

    /// Whether a file that SQLite does not write through us could grow now.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.state();
        let full = matches!(state.failing(), Some(FaultKind::Full | FaultKind::FullForAll));
        state.failed += u64::from(full);
        !full
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// One more call, if the power lasts.
    fn count(&mut self) {
        self.calls += 1;
        if let Some(cut) = self.cut.filter(|cut| self.calls >= cut.at) {
            let loss = self.lose(cut);
            (cut.then)(loss);
        }
    }

    /// What fails now.
    fn failing(&self) -> Option<FaultKind> {
        self.fault.filter(|fault| self.calls >= fault.at).map(|fault| fault.kind)
    }

    fn outcome(&mut self, failure: Option<Failure>) -> Result<(), Failure> {
        let Some(failure) = failure else { return Ok(()) };
        self.failed += 1;
        self.fault = self.fault.filter(|fault| fault.lasts == Lasts::UntilRepaired);
        Err(failure)
    }

    fn change(&mut self, path: &Path, change: Change) {
        let Some(file) = self.files.get_mut(path) else { return };
        match &change {
            Change::Write { offset, bytes } => {
                let (begin, end) = (*offset as usize, *offset as usize + bytes.len());
                if file.content.len() < end {
                    file.content.resize(end, 0);
                }
                file.content[begin..end].copy_from_slice(bytes);
            }
            Change::SetLen(length) => file.content.resize(*length as usize, 0),
        }
        file.unsynced.push(change);
    }

    /// Puts onto the disk what the cut leaves.
    fn lose(&mut self, cut: Cut) -> Loss {
        let mut random = Random::new(cut.seed);
        let mut loss = Loss::default();
        for path in &self.unlisted {
            if cut.leaves == Leaves::Nothing || random.coin() {
                loss.unlisted += 1;
                let file = self.files.remove(path);
                loss.dropped += file.map_or(0, |file| file.unsynced.len() as u64);
                std::fs::remove_file(path).expect("a file that was created is there");
            }
        }
        for (path, file) in &self.files {
            if !file.unsynced.is_empty() {
                loss.in_database |= path.extension().is_some_and(|extension| extension == "db");
                leave(path, &file.unsynced, cut.leaves, &mut random, &mut loss);
            }
        }
        loss
    }
}

/// Puts a part of the changes of one file onto the disk.
fn leave(path: &Path, unsynced: &[Change], leaves: Leaves, random: &mut Random, loss: &mut Loss) {
    let file = OpenOptions::new().write(true).open(path).expect("a file that is kept is there");
    let whole = random.below(unsynced.len() as u64 + 1) as usize;
    for (nth, change) in unsynced.iter().enumerate() {
        let sectors = sectors(change);
        let left: Vec<&Change> = match leaves {
            Leaves::Nothing => Vec::new(),
            Leaves::Beginning if nth < whole => sectors.iter().collect(),
            Leaves::Beginning if nth > whole => Vec::new(),
            Leaves::Beginning | Leaves::Anything => sectors.iter().filter(|_| random.coin()).collect(),
        };
        if left.is_empty() {
            loss.dropped += 1;
        } else if left.len() < sectors.len() {
            loss.torn += 1;
        } else {
            loss.kept += 1;
        }
        for change in left {
            match change {
                Change::Write { offset, bytes } => file.write_all_at(bytes, *offset),
                Change::SetLen(length) => file.set_len(*length),
            }
            .expect("the real disk works");
        }
    }
}

/// A change in pieces of which each is done or not.
fn sectors(change: &Change) -> Vec<Change> {
    let Change::Write { offset, bytes } = change else { return vec![change.clone()] };
    let (mut offset, mut rest) = (*offset, bytes.as_slice());
    let mut sectors = Vec::new();
    while !rest.is_empty() {
        let length = (SECTOR - offset % SECTOR).min(rest.len() as u64);
        let (sector, others) = rest.split_at(length as usize);
        sectors.push(Change::Write { offset, bytes: sector.to_vec() });
        (offset, rest) = (offset + length, others);
    }
    sectors
}

/// Copies a database that nobody has open, or as it is on the disk. What SQLite keeps in shared memory it makes anew.
pub fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_cut_where_sectors_begin() {
        let change = Change::Write { offset: 500, bytes: vec![7; 600] };
        let lengths: Vec<_> = sectors(&change)
            .iter()
            .map(|change| match change {
                Change::Write { offset, bytes } => (*offset, bytes.len()),
                Change::SetLen(_) => unreachable!("a write is cut into writes"),
            })
            .collect();
        assert_eq!(lengths, [(500, 12), (512, 512), (1024, 76)]);
        assert_eq!(sectors(&Change::SetLen(9)), [Change::SetLen(9)]);
    }
}
