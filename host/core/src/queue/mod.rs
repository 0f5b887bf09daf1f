//! The tasks that have not ended, ordered so that no decision looks at all of them.
//!
//! Only runnable tasks lie in the ready index. What waits for a time is due then, what waits for other tasks
//! is counted down by their ends, and what waits for paths lies under whatever holds these. A label that is
//! paused or at its limit closes the buckets of its tasks, so that nothing has to be moved.

mod command;
mod fates;
mod index;
mod parked;
#[cfg(test)]
mod projection;
mod ready;
mod rules;
mod running;
mod succession;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use command::{QueueCommand, QueueEvent, QueueFacts};
use fates::Fates;
pub(crate) use index::{Class, has_all};
pub(crate) use parked::{Blocker, Parked};
pub use ready::Placing;
pub(crate) use ready::Ready;
pub(crate) use rules::Rates;
pub use rules::{LabelLimit, QueueLimits, QueueRules, Scope};
pub(crate) use running::Running;
pub(crate) use waiting::{Place, Waiting, WaitingClaim};

use crate::{AgentName, Hold, Key, Task, TaskId, TaskStatus, Timestamp};

/// The tasks that have not ended, and every order they are looked up in.
///
/// Tasks change in [`Queue::insert`] and [`Queue::update`] alone, so that the orders always follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Queue {
    tasks: BTreeMap<TaskId, Task>,
    pub(crate) ready: Ready,
    pub(crate) parked: Parked,
    /// By a task that has not ended: those that wait for its end.
    dependents: BTreeMap<TaskId, BTreeSet<TaskId>>,
    /// When something about a task has to be decided though nobody asks.
    due: BTreeSet<(Timestamp, TaskId)>,
    fates: Fates,
    /// The last incarnation of tasks that were retried, as far as they were not yet at their end when this began.
    incarnations: BTreeMap<TaskId, u32>,
    pub(crate) keys: BTreeMap<Key, TaskId>,
    pub(crate) rules: QueueRules,
    pub(crate) rates: Rates,
    pub(crate) running: Running,
    pub(crate) waiting: Waiting,
    /// Whether something happened that may let a waiting claim be served.
    pub(crate) stirred: bool,
    /// When a label that is started too fast may start again, if a claim waits for that.
    pub(crate) reopens_at: Option<Timestamp>,
}

impl Queue {
    /// The task, if it has not ended.
    pub(crate) fn get(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id)
    }

    /// The lease on a task, if it has one.
    pub(crate) fn hold_on(&self, id: TaskId) -> Option<Hold> {
        let fence = self.get(id)?.state.lease.as_ref()?.fence;
        Some(Hold { task: id, fence })
    }

    /// All that have not ended, by id.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// How it ended; `None` if it has not, or never was.
    pub(crate) fn fate(&self, id: TaskId) -> Option<TaskStatus> {
        self.fates.of(id)
    }

    /// Notes how a task ended that is known from the store alone.
    pub(crate) fn remember_end(&mut self, id: TaskId, status: TaskStatus) {
        self.fates.set(id, status);
    }

    /// Whether a task that was read when it had ended was retried since.
    pub(crate) fn was_retried(&self, read: &Task) -> bool {
        self.incarnations.get(&read.id).is_some_and(|last| *last != read.state.incarnation)
    }

    /// Adds a task, wherever it stands.
    pub(crate) fn insert(&mut self, task: Task) {
        let id = task.id;
        self.fates.set(id, task.state.status);
        if task.state.incarnation > 1 {
            self.incarnations.insert(id, task.state.incarnation);
        }
        self.due.extend(due(&task).map(|at| (at, id)));
        match task.state.status {
            TaskStatus::Blocked => {
                let unmet: Vec<TaskId> = self.unmet(&task).collect();
                for parent in unmet {
                    self.dependents.entry(parent).or_default().insert(id);
                }
            }
            TaskStatus::Pending => {
                self.ready.insert(id, assignee(&task), self.class(&task), &task.placing);
                self.stirred = true;
            }
            TaskStatus::InProgress => self.running.add(holder(&task), &task),
            TaskStatus::Verifying => self.running.add(None, &task),
            TaskStatus::Scheduled | TaskStatus::NeedsInput => {}
            TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => return,
        }
        self.tasks.insert(id, task);
    }

    /// Changes a task that has not ended; `false` if there is none.
    pub(crate) fn update(&mut self, id: TaskId, change: impl FnOnce(&mut Task)) -> bool {
        let Some(before) = self.tasks.remove(&id) else { return false };
        let mut task = before.clone();
        change(&mut task);
        if goes_on_as_before(&before, &task) {
            self.due.extend(due(&task).map(|at| (at, id)));
            if let Some(at) = due(&before).filter(|at| Some(*at) != due(&task)) {
                self.due.remove(&(at, id));
            }
            self.tasks.insert(id, task);
        } else {
            self.leave(&before);
            self.insert(task);
        }
        true
    }

    fn leave(&mut self, task: &Task) {
        let id = task.id;
        if let Some(at) = due(task) {
            self.due.remove(&(at, id));
        }
        match task.state.status {
            TaskStatus::Blocked => {
                for parent in &task.spec.depends_on {
                    self.forget_dependent(*parent, id);
                }
            }
            TaskStatus::Pending => {
                self.ready.remove(id);
                self.parked.remove(id);
            }
            TaskStatus::InProgress => self.stop(holder(task), task),
            TaskStatus::Verifying => self.stop(None, task),
            TaskStatus::Scheduled | TaskStatus::NeedsInput => {}
            TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => {}
        }
    }

    /// What was in progress stops: limits and paths are free again.
    fn stop(&mut self, holder: Option<&AgentName>, task: &Task) {
        self.running.remove(holder, task);
        self.release_parked(Blocker::Task(task.id));
        self.stirred = true;
    }

    /// Those that waited for `blocker` may be offered again.
    pub(crate) fn release_parked(&mut self, blocker: Blocker) {
        for id in self.parked.release(blocker) {
            self.update(id, |_| ());
        }
    }

    /// All that waited because of paths may be offered again: others decide about that now.
    pub(crate) fn release_all_parked(&mut self) {
        while let Some(blocker) = self.parked.first_blocker() {
            self.release_parked(blocker);
        }
    }

    fn forget_dependent(&mut self, parent: TaskId, child: TaskId) {
        if let Some(children) = self.dependents.get_mut(&parent) {
            children.remove(&child);
            if children.is_empty() {
                self.dependents.remove(&parent);
            }
        }
    }

    /// The tasks that wait for the end of `parent`.
    pub(crate) fn dependents_of(&self, parent: TaskId) -> Vec<TaskId> {
        self.dependents.get(&parent).into_iter().flatten().copied().collect()
    }

    /// What `task` depends on and what has not ended.
    pub(crate) fn unmet<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = TaskId> + 'a {
        task.spec.depends_on.iter().copied().filter(|parent| self.fate(*parent).is_none())
    }

    /// Hides a pending task until `blocker` is no more.
    pub(crate) fn park(&mut self, id: TaskId, blocker: Blocker) {
        self.ready.remove(id);
        self.parked.insert(id, blocker);
    }

    /// The class that a task lies in while it is ready.
    pub(crate) fn class(&self, task: &Task) -> Class {
        let gated = task.spec.labels.iter().filter(|label| self.rules.gates(label)).cloned().collect();
        Class { capabilities: task.spec.capabilities.clone(), gated }
    }

    /// Puts other rules in force, and every pending task where it belongs by them.
    pub(crate) fn set_rules(&mut self, rules: QueueRules) {
        self.rules = rules;
        self.stirred = true;
        let pending: Vec<TaskId> = self.ready.serving().ids().collect();
        for id in pending {
            self.update(id, |_| ());
        }
    }

    /// The task that has to be decided about next, and when.
    pub(crate) fn first_due(&self) -> Option<(Timestamp, TaskId)> {
        self.due.first().copied()
    }
}

/// Whether a change leaves a task in every order but that of time: its holder goes on with it.
fn goes_on_as_before(before: &Task, after: &Task) -> bool {
    (before.state.status, after.state.status) == (TaskStatus::InProgress, TaskStatus::InProgress)
        && holder(before) == holder(after)
        && Arc::ptr_eq(&before.spec, &after.spec)
}

/// The only agent that may have a pending task now, if it is kept for one.
fn assignee(task: &Task) -> Option<AgentName> {
    let keeper = || task.state.preferred.as_ref().map(|preferred| preferred.agent.clone());
    task.spec.assigned_to.clone().or_else(keeper)
}

/// Who holds a task in progress.
fn holder(task: &Task) -> Option<&AgentName> {
    task.state.lease.as_ref().map(|lease| &lease.holder)
}

/// When something about a task has to be decided though nobody asks.
fn due(task: &Task) -> Option<Timestamp> {
    let state = &task.state;
    let deadline = task.spec.deadline;
    match state.status {
        TaskStatus::InProgress => state.lease.as_ref().map(|lease| lease.expires_at),
        TaskStatus::Scheduled => state.waits_until.into_iter().chain(deadline).min(),
        TaskStatus::Pending => {
            state.preferred.as_ref().map(|preferred| preferred.until).into_iter().chain(deadline).min()
        }
        TaskStatus::Blocked | TaskStatus::NeedsInput => deadline,
        TaskStatus::Verifying | TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => None,
    }
}
