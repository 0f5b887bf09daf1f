//! Looking for what the journal does not say.

use std::collections::HashSet;
use std::sync::PoisonError;

use longhouse_core::{
    Abort, Author, Change, Changes, CommitNumber, CommitStatus, FileGrants, GateError, Granted, Journaled,
    Operation, ProjectPath, RedoList, Reservation, ReservationId, Timestamp, Undo, Version,
};

use super::Manifest;
use crate::change_set::Facts;
use crate::publish::{Disk as _, Place};
use crate::search::Walk;
use crate::{CommitError, Kind, Stat, View, WalkOptions, Workspace, WorkspaceError};

/// So many paths are put on record at once.
const AT_ONCE: usize = 1_000;

/// So many commits are read at once.
const COMMITS: u32 = 1_000;

/// What came of looking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scanned {
    /// How many files and links were looked at.
    pub looked_at: usize,
    /// What was found changed, and is on record now.
    pub found: Vec<ProjectPath>,
    /// The commits that have it.
    pub commits: Vec<CommitNumber>,
}

impl Workspace {
    /// Looks at every file and link that no ignore file leaves out, and at those that the journal knows of, and puts on
    /// record what somebody outside changed. Git's own directory is not looked at. The first time of all, what lies there is
    /// what the project begins with.
    ///
    /// Paths that others are changing are waited for until `wait_until`, and left for the next time then.
    ///
    /// # Errors
    /// When the journal cannot be read or written, or the disk fails.
    pub fn scan(&self, wait_until: Option<Timestamp>) -> Result<Scanned, CommitError> {
        let mut kept = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut manifest = self.manifest(kept.take())?;
        let scanned = self.scan_with(&mut manifest, wait_until);
        let saved = manifest.save(self.root()).map_err(at_root);
        *kept = Some(manifest);
        saved.and(scanned)
    }

    /// The same for these paths alone.
    ///
    /// # Errors
    /// As [`Workspace::scan`].
    pub fn examine(
        &self,
        paths: &[ProjectPath],
        wait_until: Option<Timestamp>,
    ) -> Result<Scanned, CommitError> {
        let mut kept = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the first scan nothing is known that could be otherwise.
        let Some(mut manifest) = kept.take() else { return Ok(Scanned::default()) };
        let mut scanned = Scanned { looked_at: paths.len(), ..Scanned::default() };
        let examined = self
            .add_journal(&mut manifest)
            .and_then(|()| self.put_on_record(&mut manifest, paths, wait_until, &mut scanned));
        *kept = Some(manifest);
        examined.map(|()| scanned)
    }

    /// The manifest, up to the last commit: as it was kept, or as the project is if it was not.
    fn manifest(&self, known: Option<Manifest>) -> Result<Manifest, CommitError> {
        let known = match known {
            Some(known) => Some(known),
            None => Manifest::load(self.root()).map_err(at_root)?,
        };
        let last = self.gate().last_commit()?;
        // One that is ahead is of another journal, such as before a back-up was restored.
        if let Some(mut manifest) = known.filter(|manifest| manifest.through <= last) {
            self.add_journal(&mut manifest)?;
            return Ok(manifest);
        }
        let mut manifest = Manifest::new(last);
        for (path, _) in self.everything() {
            let (version, facts) = self.lies(&path).map_err(|source| at(&path, source))?;
            manifest.set(&path, version);
            manifest.looked(&path, facts);
        }
        // What was committed meanwhile may have been looked at, or not.
        self.add_journal(&mut manifest)?;
        Ok(manifest)
    }

    fn scan_with(
        &self,
        manifest: &mut Manifest,
        wait_until: Option<Timestamp>,
    ) -> Result<Scanned, CommitError> {
        let mut scanned = Scanned::default();
        let mut seen = HashSet::new();
        let mut suspects = Vec::new();
        for (path, stat) in self.everything() {
            scanned.looked_at += 1;
            let known = manifest.get(&path).and_then(|known| known.facts);
            if known != Some(Facts::of(&stat)) {
                suspects.push(path.clone());
            }
            seen.insert(path.as_str().to_owned());
        }
        let unseen = manifest.paths().filter(|path| !seen.contains(*path)).map(str::to_owned);
        // What no walk comes to may be there all the same.
        suspects.extend(unseen.filter_map(|path| path.parse::<ProjectPath>().ok()));
        self.put_on_record(manifest, &suspects, wait_until, &mut scanned)?;
        Ok(scanned)
    }

    /// Every file and link that is looked at, wherever it lies.
    fn everything(&self) -> impl Iterator<Item = (ProjectPath, Stat)> {
        let view = View::new(self.root().clone(), FileGrants::everything().into());
        let options = WalkOptions { hidden: true, links: true, ..WalkOptions::default() };
        let walk = Walk::new(&view, &ProjectPath::root(), options);
        walk.filter(|entry| entry.path.components().all(|name| name != ".git"))
            .map(|entry| (entry.path, entry.stat))
    }

    /// Adds what was committed since, up to the first commit of which it is not known yet whether it comes to nothing.
    fn add_journal(&self, manifest: &mut Manifest) -> Result<(), CommitError> {
        self.add_commits(manifest, |status| match status {
            CommitStatus::Published | CommitStatus::Retired | CommitStatus::Aborted => true,
            CommitStatus::Intended => false,
        })
    }

    /// Adds commits for as long as they stand so.
    fn add_commits(
        &self,
        manifest: &mut Manifest,
        is_wanted: impl Fn(CommitStatus) -> bool,
    ) -> Result<(), CommitError> {
        loop {
            let commits = self.gate().journal(manifest.through, COMMITS)?;
            if commits.is_empty() {
                return Ok(());
            }
            for Journaled { number, status, changes } in commits {
                if !is_wanted(status) {
                    return Ok(());
                }
                match status {
                    CommitStatus::Aborted => manifest.add(number, &[]),
                    CommitStatus::Intended | CommitStatus::Published | CommitStatus::Retired => {
                        manifest.add(number, &changes);
                    }
                }
            }
        }
    }

    /// Puts those of the paths on record where something else lies than the journal says.
    fn put_on_record(
        &self,
        manifest: &mut Manifest,
        paths: &[ProjectPath],
        wait_until: Option<Timestamp>,
        scanned: &mut Scanned,
    ) -> Result<(), CommitError> {
        let mut left = Vec::new();
        for path in paths {
            if !self.is_as_known(manifest, path).map_err(|source| at(path, source))? {
                left.push(path.clone());
            }
        }
        for some in left.chunks(AT_ONCE) {
            let changes = Changes { entries: some.to_vec(), subtrees: Vec::new() };
            let paths = Reservation::new(changes).map_err(GateError::from)?;
            let reserved = match self.gate().reserve(&paths, &Author::Outside, wait_until) {
                Ok(Granted::Reserved(reserved)) => reserved.reservation,
                Ok(Granted::Committed(_)) => continue,
                // Whoever is changing them finds out by itself, and there is a next time.
                Err(GateError::Refused(refusal)) => {
                    tracing::debug!(%refusal, "what was changed outside is not put on record yet");
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let recorded = self.record(manifest, some, |redo| {
                let number = self.gate().intent(reserved, redo)?;
                self.gate().published(number);
                self.gate().retired(&[number]);
                Ok(number)
            });
            match recorded {
                Ok(Some((number, found))) => {
                    scanned.commits.push(number);
                    scanned.found.extend(found);
                }
                Ok(None) => self.give_back_outside(reserved),
                Err(error) => {
                    self.give_back_outside(reserved);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn give_back_outside(&self, reserved: ReservationId) {
        self.gate()
            .abort(Undo::Reserved(reserved), Abort::Refused { detail: "all is as it should be".into() });
    }

    /// Looks again, now that nobody changes these paths through the server. Returns the commit and its paths, if there is one.
    fn record(
        &self,
        manifest: &mut Manifest,
        paths: &[ProjectPath],
        intend: impl FnOnce(&RedoList) -> Result<CommitNumber, GateError>,
    ) -> Result<Option<(CommitNumber, Vec<ProjectPath>)>, CommitError> {
        // Answered when all is stored that was told before, such as that a commit came to nothing.
        self.gate().unfinished()?;
        self.add_journal(manifest)?;
        // What is still under way is about other paths.
        let mut known = manifest.clone();
        self.add_commits(&mut known, |_| true)?;
        let (mut changes, mut facts) = (Vec::new(), Vec::new());
        for path in paths {
            let (new, looked) = self.lies(path).map_err(|source| at(path, source))?;
            let base = known.get(path).map(|known| known.version);
            if base == new {
                manifest.looked(path, looked);
            } else {
                let operation = Operation::Found;
                changes.push(Change { path: path.clone(), operation, base, new, history: None });
                facts.push(looked);
            }
        }
        if changes.is_empty() {
            return Ok(None);
        }
        let number = intend(&RedoList::new(changes.clone()).map_err(GateError::from)?)?;
        // Commits of other paths may have come before it: it is added with those.
        for (change, looked) in changes.iter().zip(facts) {
            manifest.set(&change.path, change.new);
            manifest.looked(&change.path, looked);
        }
        Ok(Some((number, changes.into_iter().map(|change| change.path).collect())))
    }

    /// Whether what lies at a path is what the journal says.
    fn is_as_known(&self, manifest: &mut Manifest, path: &ProjectPath) -> Result<bool, WorkspaceError> {
        let (version, facts) = self.lies(path)?;
        let known = manifest.get(path);
        if known.map(|known| known.version) != version {
            return Ok(false);
        }
        if known.is_some_and(|known| known.facts != facts) {
            manifest.looked(path, facts);
        }
        Ok(true)
    }

    /// What file or link lies at a path, and the facts by which it can be told again, if it can.
    fn lies(&self, path: &ProjectPath) -> Result<(Option<Version>, Option<Facts>), WorkspaceError> {
        let Some(stat) = self.files().stat(path).filter(|stat| stat.kind != Kind::Directory) else {
            return Ok((None, None));
        };
        let version = self.files().version(&Place::Project(path.clone())).map_err(WorkspaceError::Io)?;
        let facts = Facts::of(&stat);
        let is_still = self.files().stat(path).is_some_and(|now| Facts::of(&now) == facts);
        Ok((version, Some(facts).filter(|facts| facts.tell() && is_still)))
    }
}

fn at(path: &ProjectPath, source: WorkspaceError) -> CommitError {
    CommitError::Path { path: path.clone(), source }
}

fn at_root(source: WorkspaceError) -> CommitError {
    at(&ProjectPath::root(), source)
}
