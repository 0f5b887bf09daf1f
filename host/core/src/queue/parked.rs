//! Tasks that could begin if something else did not touch the same paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::{LockId, TaskId};

/// What keeps a task from being offered because of the paths it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Blocker {
    /// A task in progress.
    Task(TaskId),
    /// A lock of another agent.
    Lock(LockId),
}

/// Such tasks, by what they wait for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Parked {
    by_blocker: BTreeMap<Blocker, BTreeSet<TaskId>>,
    blockers: BTreeMap<TaskId, Blocker>,
}

impl Parked {
    /// Lets a task wait for `blocker`.
    pub(crate) fn insert(&mut self, id: TaskId, blocker: Blocker) {
        self.remove(id);
        self.by_blocker.entry(blocker).or_default().insert(id);
        self.blockers.insert(id, blocker);
    }

    /// Takes a task out, if it is there.
    pub(crate) fn remove(&mut self, id: TaskId) {
        let Some(blocker) = self.blockers.remove(&id) else { return };
        if let Some(parked) = self.by_blocker.get_mut(&blocker) {
            parked.remove(&id);
            if parked.is_empty() {
                self.by_blocker.remove(&blocker);
            }
        }
    }

    /// Takes out all that waited for `blocker`, which is no more.
    pub(crate) fn release(&mut self, blocker: Blocker) -> BTreeSet<TaskId> {
        let released = self.by_blocker.remove(&blocker).unwrap_or_default();
        for id in &released {
            self.blockers.remove(id);
        }
        released
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_blocker.is_empty() && self.blockers.is_empty()
    }

    /// The locks that tasks wait for.
    pub(crate) fn behind_locks(&self) -> Vec<LockId> {
        let lock = |blocker: &Blocker| match blocker {
            Blocker::Lock(id) => Some(*id),
            Blocker::Task(_) => None,
        };
        self.by_blocker.range(Blocker::Lock(LockId(0))..).filter_map(|(blocker, _)| lock(blocker)).collect()
    }

    /// Something that a task waits for, if one does.
    pub(crate) fn first_blocker(&self) -> Option<Blocker> {
        self.by_blocker.keys().next().copied()
    }

    /// What a task waits for.
    pub(crate) fn blocker_of(&self, id: TaskId) -> Option<Blocker> {
        self.blockers.get(&id).copied()
    }
}
