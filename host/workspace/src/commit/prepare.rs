//! From what is wished for to what is to be done.

use std::collections::BTreeSet;

use longhouse_core::{Change, Changes, EntryName, Operation, ProjectPath, ReservationId, Verb, Version};

use super::{CommitError, Expected, Wish};
use crate::publish::{Disk as _, Files, Place};
use crate::{Follow, Kind, OpenOptions, View, WorkspaceError};

/// Where a wish leads: paths without links.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: ProjectPath,
    /// For a move.
    from: Option<ProjectPath>,
    /// Whether everything beneath is meant, too.
    is_tree: bool,
    /// Directories that have to be made, the highest first.
    missing: Vec<ProjectPath>,
}

/// What is ready to be intended.
pub(super) struct Prepared {
    pub(super) changes: Vec<Change>,
    pub(super) versions: Vec<(ProjectPath, Option<Version>)>,
}

/// Where the wishes lead.
pub(super) fn resolve(view: &View, wishes: &[Wish]) -> Result<Vec<Target>, CommitError> {
    wishes.iter().map(|wish| target(view, wish)).collect()
}

/// What has to be reserved for them.
pub(super) fn changes(targets: &[Target]) -> Changes {
    let mut changes = Changes::default();
    for Target { path, from, is_tree, missing } in targets {
        let list = if *is_tree { &mut changes.subtrees } else { &mut changes.entries };
        list.push(path.clone());
        changes.subtrees.extend(from.clone());
        changes.entries.extend(missing.iter().cloned());
    }
    changes
}

fn target(view: &View, wish: &Wish) -> Result<Target, CommitError> {
    let at = |path: &ProjectPath, follow| {
        settle(view, path, follow).map_err(|source| CommitError::Path { path: path.clone(), source })
    };
    Ok(match wish {
        Wish::Write { path, .. } | Wish::MakeDirectory { path } => {
            let (path, missing) = at(path, Follow::Last)?;
            Target { path, from: None, is_tree: false, missing }
        }
        Wish::Delete { path, .. } => {
            let (path, missing) = at(path, Follow::No)?;
            Target { is_tree: is_directory(view, &path), path, from: None, missing }
        }
        Wish::Move { from, to, .. } => {
            let ((from, _), (path, missing)) = (at(from, Follow::No)?, at(to, Follow::No)?);
            Target { path, from: Some(from), is_tree: true, missing }
        }
    })
}

fn is_directory(view: &View, path: &ProjectPath) -> bool {
    view.stat(path, Follow::No).is_ok_and(|stat| stat.is_directory())
}

/// Where a path leads, and the directories on the way that are missing.
fn settle(
    view: &View,
    path: &ProjectPath,
    follow: Follow,
) -> Result<(ProjectPath, Vec<ProjectPath>), WorkspaceError> {
    let Some((parent, name)) = path.split_last() else { return Ok((path.clone(), Vec::new())) };
    match (view.find(&parent, Follow::Last), follow) {
        (Ok(found), _) if found.stat.kind != Kind::Directory => Err(WorkspaceError::NotADirectory),
        (Ok(_), Follow::Last) => Ok((view.real_path(path)?, Vec::new())),
        (Ok(found), Follow::No) => Ok((found.path.join(name)?, Vec::new())),
        (Err(WorkspaceError::NotFound), _) => {
            let (parent, mut missing) = settle(view, &parent, Follow::Last)?;
            missing.push(parent.clone());
            Ok((parent.join(name)?, missing))
        }
        (Err(error), _) => Err(error),
    }
}

/// What is being prepared.
struct Preparing<'a> {
    view: &'a View,
    files: &'a Files,
    reservation: ReservationId,
    changes: Vec<Change>,
    versions: Vec<(ProjectPath, Option<Version>)>,
    made: BTreeSet<ProjectPath>,
}

/// Checks grants and what is expected, and stages what is new.
pub(super) fn prepare(
    view: &View,
    files: &Files,
    targets: Vec<Target>,
    wishes: &[Wish],
    reservation: ReservationId,
) -> Result<Prepared, CommitError> {
    let (changes, versions, made) = Default::default();
    let mut preparing = Preparing { view, files, reservation, changes, versions, made };
    let added = targets.into_iter().zip(wishes).try_for_each(|(target, wish)| {
        let path = target.path.clone();
        preparing.add(target, wish).map_err(|error| match error {
            Fault::Path(source) => CommitError::Path { path: path.clone(), source },
            // Who may not read it does not learn what it holds.
            Fault::Stale(current) => CommitError::Stale {
                current: current.filter(|_| view.grants(Verb::Read, &path)),
                path: path.clone(),
            },
        })
    });
    let Preparing { changes, versions, .. } = preparing;
    added.and_then(|()| check_once(&changes)).inspect_err(|_| drop_staged(files, &changes))?;
    Ok(Prepared { changes, versions })
}

/// What was staged for changes that come to nothing goes.
pub(super) fn drop_staged(files: &Files, changes: &[Change]) {
    for change in changes {
        if let Operation::Put { staged } = &change.operation
            && let Err(error) = files.drop_staged(staged.as_str())
        {
            tracing::warn!(%error, %staged, "something stays staged until the server begins again");
        }
    }
}

/// No path is changed twice.
fn check_once(changes: &[Change]) -> Result<(), CommitError> {
    let mut seen = BTreeSet::new();
    let moved = |change: &Change| match &change.operation {
        Operation::Move { from } => Some(from.clone()),
        Operation::Put { .. } | Operation::Remove | Operation::Found => None,
    };
    for path in changes.iter().flat_map(|change| std::iter::once(change.path.clone()).chain(moved(change))) {
        if !seen.insert(path.clone()) {
            return Err(CommitError::Twice { path });
        }
    }
    Ok(())
}

enum Fault {
    Path(WorkspaceError),
    Stale(Option<Version>),
}

impl<E: Into<WorkspaceError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Path(error.into())
    }
}

impl Preparing<'_> {
    fn add(&mut self, target: Target, wish: &Wish) -> Result<(), Fault> {
        let Target { path, from, is_tree: _, missing } = target;
        if path.is_root() {
            return Err(Fault::Path(WorkspaceError::IsADirectory));
        }
        for path in std::iter::once(&path).chain(&from) {
            self.files.check_same_disk(path)?;
        }
        let base = self.version(&path)?;
        match wish {
            Wish::Write { content, expected, executable, .. } => {
                check(base, *expected)?;
                self.view.check(if base.is_some() { Verb::Write } else { Verb::Create }, &path)?;
                self.make_missing(&missing)?;
                self.write(path, content, base, *executable)
            }
            Wish::MakeDirectory { .. } => {
                if is_directory(self.view, &path) {
                    self.versions.push((path, base));
                    return Ok(());
                }
                check(base, Expected::Absent).map_err(|_| WorkspaceError::Exists)?;
                self.make_missing(&missing)?;
                self.make(&path)?;
                self.versions.push((path.clone(), self.changes.last().and_then(|change| change.new)));
                Ok(())
            }
            Wish::Delete { expected, .. } => {
                self.view.find(&path, Follow::No)?;
                check(base, *expected)?;
                self.view.check(Verb::Delete, &path)?;
                self.view.check_all_beneath(&path, None)?;
                let history = Some(self.name('h')?);
                let operation = Operation::Remove;
                self.changes.push(Change { path: path.clone(), operation, base, new: None, history });
                self.versions.push((path, None));
                Ok(())
            }
            Wish::Move { expected, .. } => {
                let from = from.ok_or(WorkspaceError::NotFound)?;
                self.view.find(&from, Follow::No)?;
                check(base, *expected)?;
                self.view.check(Verb::Read, &from)?;
                self.view.check(Verb::Delete, &from)?;
                self.view.check(if base.is_some() { Verb::Write } else { Verb::Create }, &path)?;
                self.view.check_all_beneath(&from, Some(&path))?;
                self.make_missing(&missing)?;
                let (new, history) = (self.version(&from)?, Some(self.name('h')?));
                self.changes.push(Change {
                    path: path.clone(),
                    operation: Operation::Move { from },
                    base,
                    new,
                    history,
                });
                self.versions.push((path, new));
                Ok(())
            }
        }
    }

    fn write(
        &mut self,
        path: ProjectPath,
        content: &[u8],
        base: Option<Version>,
        executable: Option<bool>,
    ) -> Result<(), Fault> {
        let before = match base {
            Some(_) => {
                // Its content is not looked at: who may write it may replace it.
                let found = self.view.find(&path, Follow::No)?;
                if found.stat.kind != Kind::File {
                    return Err(Fault::Path(WorkspaceError::IsADirectory));
                }
                let options = OpenOptions { write: true, ..OpenOptions::default() };
                Some(self.view.open_found(found, options)?.file)
            }
            None => None,
        };
        let staged = self.name('s')?;
        let new = Some(self.files.stage_file(&staged, content, before.as_ref(), executable)?);
        self.versions.push((path.clone(), new));
        if new == base {
            self.files.drop_staged(staged.as_str())?;
            return Ok(());
        }
        let history = base.map(|_| self.name('h')).transpose()?;
        self.changes.push(Change { path, operation: Operation::Put { staged }, base, new, history });
        Ok(())
    }

    fn make_missing(&mut self, missing: &[ProjectPath]) -> Result<(), Fault> {
        missing.iter().try_for_each(|directory| self.make(directory))
    }

    /// Makes a directory, once.
    fn make(&mut self, path: &ProjectPath) -> Result<(), Fault> {
        if !self.made.insert(path.clone()) {
            return Ok(());
        }
        self.view.check(Verb::Create, path)?;
        let staged = self.name('s')?;
        let new = Some(self.files.stage_directory(&staged)?);
        let operation = Operation::Put { staged };
        self.changes.push(Change { path: path.clone(), operation, base: None, new, history: None });
        Ok(())
    }

    fn version(&self, path: &ProjectPath) -> Result<Option<Version>, WorkspaceError> {
        self.files.version(&Place::Project(path.clone())).map_err(WorkspaceError::Io)
    }

    fn name(&self, kind: char) -> Result<EntryName, WorkspaceError> {
        name(kind, self.reservation, self.changes.len())
    }
}

/// A name that nobody else has.
pub(super) fn name(
    kind: char,
    ReservationId { boot, number }: ReservationId,
    index: usize,
) -> Result<EntryName, WorkspaceError> {
    format!("{kind}{}-{number}-{index}", boot.0).parse().map_err(|_| WorkspaceError::Unstable)
}

fn check(base: Option<Version>, expected: Expected) -> Result<(), Fault> {
    let is_so = match expected {
        Expected::Absent => base.is_none(),
        Expected::Version(version) => base == Some(version),
        Expected::Anything => true,
    };
    if is_so { Ok(()) } else { Err(Fault::Stale(base)) }
}
