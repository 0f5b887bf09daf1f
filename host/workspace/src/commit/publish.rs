//! From a change set to what is to be done.

use std::collections::BTreeSet;

use longhouse_core::{Change, EntryKind, Operation, ProjectPath, ReservationId, Verb, Version};
use rustix::fs::OFlags;

use super::prepare::{Prepared, name};
use super::{CommitError, Conflict};
use crate::change_set::{Act, Plan, Seen, Staged, Step};
use crate::publish::{Disk as _, Files, Place, version_of_names};
use crate::resolve::target;
use crate::{Kind, View, WorkspaceError};

/// Checks grants and bases. What is new is safe already. `view` is the project, as the author of the set may see it now.
pub(super) fn prepare(
    view: &View,
    files: &Files,
    plan: &Plan,
    reservation: ReservationId,
) -> Result<Prepared, CommitError> {
    let (changes, versions, conflicts) = Default::default();
    let mut preparing = Preparing { view, files, plan, reservation, changes, versions, conflicts };
    for step in &plan.steps {
        preparing.add(step).map_err(|source| CommitError::Path { path: step.path.clone(), source })?;
    }
    let looked = preparing.check_what_was_looked_at();
    looked.map_err(|source| CommitError::Path { path: ProjectPath::root(), source })?;
    let Preparing { changes, versions, conflicts, .. } = preparing;
    if !conflicts.is_empty() {
        return Err(CommitError::Conflicts { conflicts });
    }
    Ok(Prepared { changes, versions })
}

struct Preparing<'a> {
    view: &'a View,
    files: &'a Files,
    plan: &'a Plan,
    reservation: ReservationId,
    changes: Vec<Change>,
    versions: Vec<(ProjectPath, Option<Version>)>,
    conflicts: Vec<Conflict>,
}

impl Preparing<'_> {
    fn add(&mut self, Step { path, over, act }: &Step) -> Result<(), WorkspaceError> {
        self.files.check_same_disk(path)?;
        let base = match over {
            Some(over) => self.base(path, over)?,
            None => None,
        };
        let onto = if base.is_some() { Verb::Write } else { Verb::Create };
        let (operation, new) = match act {
            Act::Put(staged) => {
                self.view.check(onto, path)?;
                let new = self.version_of(path, staged)?;
                (Operation::Put { staged: staged.name().clone() }, Some(new))
            }
            Act::Remove => {
                let Some(over) = over.as_ref().filter(|_| base.is_some()) else { return Ok(()) };
                self.view.check(Verb::Delete, path)?;
                self.view.check(Verb::Delete, over)?;
                self.view.check_all_beneath(over, None)?;
                (Operation::Remove, None)
            }
            Act::Move { base: source, from } => {
                self.view.check(Verb::Read, source)?;
                self.view.check(Verb::Delete, source)?;
                self.view.check(onto, path)?;
                let new = self.version(source)?;
                self.expect(path, source, new)?;
                let Some(new) = new else { return Ok(()) };
                self.view.check_all_beneath(source, Some(path))?;
                (Operation::Move { from: from.clone() }, Some(new))
            }
        };
        let is_move = matches!(operation, Operation::Move { .. });
        self.versions.push((path.clone(), new));
        if new == base && !is_move {
            return Ok(());
        }
        let history = (base.is_some() || is_move)
            .then(|| name('h', self.reservation, self.changes.len()))
            .transpose()?;
        self.changes.push(Change { path: path.clone(), operation, base, new, history });
        Ok(())
    }

    /// Notes conflicts about what was only looked at, if that matters.
    fn check_what_was_looked_at(&mut self) -> Result<(), WorkspaceError> {
        let plan = self.plan;
        let known: BTreeSet<_> = self.conflicts.iter().map(|conflict| conflict.path.clone()).collect();
        for path in plan.seen_entries().filter(|path| !known.contains(*path)) {
            self.expect_unchanged(path)?;
        }
        for (path, listed) in plan.listed() {
            if listed.is_torn || self.files.names_in(path)? != Some(listed.names) {
                let current = self.version(path)?;
                self.conflicts.push(Conflict { path: path.clone(), current });
            }
        }
        Ok(())
    }

    /// What lies at `over` when `path`, which is the same place, is changed: what was moved out of it before is not in it.
    fn base(&mut self, path: &ProjectPath, over: &ProjectPath) -> Result<Option<Version>, WorkspaceError> {
        let parent = over.split_last().map(|(parent, _)| parent);
        let lies_in_directory = parent.is_none_or(|parent| {
            parent.is_root() || self.files.stat(&parent).is_some_and(|stat| stat.is_directory())
        });
        if !lies_in_directory {
            self.conflicts.push(Conflict { path: path.clone(), current: None });
            return Ok(None);
        }
        let found = self.version(over)?;
        let Some(Version { kind: EntryKind::Directory, .. }) = found else {
            self.expect(path, over, found)?;
            return Ok(found);
        };
        let (seen, _) = self.plan.seen(over);
        if seen.is_some_and(|seen| seen == Seen::Nothing) {
            self.conflicts.push(Conflict { path: path.clone(), current: found });
            return Ok(found);
        }
        let mut left = BTreeSet::new();
        for name in self.files.names_beneath(over)? {
            let Ok(at) = over.join(&name) else { continue };
            if self.plan.is_moved_out(over, &at) {
                continue;
            }
            if !self.plan.is_removed(&at) {
                // Somebody put it there since.
                let current = self.version(&at)?;
                self.conflicts.push(Conflict { path: at, current });
            } else if !name.ends_with('/') {
                self.expect_unchanged(&at)?;
            }
            left.insert(name);
        }
        Ok(Some(version_of_names(&left)))
    }

    /// Notes a conflict if what lies at `at` is not what was seen there. It is only read if its facts do not tell.
    fn expect_unchanged(&mut self, at: &ProjectPath) -> Result<(), WorkspaceError> {
        let (seen, is_torn) = self.plan.seen(at);
        let is_still = seen.zip(self.files.stat(at)).and_then(|(seen, stat)| seen.is_still(&stat));
        if is_still == Some(true) && !is_torn {
            return Ok(());
        }
        let current = self.version(at)?;
        self.expect(at, at, current)
    }

    /// Notes a conflict if what lies at `base` is not what was seen there.
    fn expect(
        &mut self,
        path: &ProjectPath,
        base: &ProjectPath,
        current: Option<Version>,
    ) -> Result<(), WorkspaceError> {
        let (seen, is_torn) = self.plan.seen(base);
        let stat = self.files.stat(base);
        // What is on record nowhere is taken for nothing.
        if is_torn || !seen.unwrap_or(Seen::Nothing).is(current.zip(stat.as_ref())) {
            self.conflicts.push(Conflict { path: path.clone(), current });
        }
        Ok(())
    }

    fn version(&self, path: &ProjectPath) -> Result<Option<Version>, WorkspaceError> {
        self.files.version(&Place::Project(path.clone())).map_err(WorkspaceError::Io)
    }

    fn version_of(&self, path: &ProjectPath, staged: &Staged) -> Result<Version, WorkspaceError> {
        if staged.kind() == Kind::Link {
            self.view.check_target(path, &target(&staged.open(OFlags::PATH)?)?)?;
        }
        staged.version()
    }
}
