//! All that the orders of a queue say, so that tests can compare a live one with one rebuilt from the store.

use std::collections::{BTreeMap, BTreeSet};

use super::{Class, Placing, Queue, QueueRules, Running, due};
use crate::{AgentName, Key, Rank, Task, TaskId, TaskStatus, Timestamp};

/// A queue without what a restart may change: times of leases, counters, and what was put aside because of paths.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Projection {
    tasks: Vec<Task>,
    ready: BTreeMap<TaskId, (Option<AgentName>, Class, Rank)>,
    dependents: BTreeMap<TaskId, BTreeSet<TaskId>>,
    due: BTreeSet<(Timestamp, TaskId)>,
    ended: Vec<(TaskId, TaskStatus)>,
    keys: BTreeMap<Key, TaskId>,
    rules: QueueRules,
    running: Running,
}

impl Queue {
    /// What the queue says, of tasks up to `last`.
    pub(crate) fn projection(&self, last: TaskId) -> Projection {
        let mut queue = self.clone();
        let pending =
            queue.tasks().filter(|task| task.state.status == TaskStatus::Pending).map(|task| task.id);
        for id in pending.collect::<Vec<_>>() {
            assert_ne!(
                queue.ready.serving().contains(id),
                queue.parked.blocker_of(id).is_some(),
                "{id} is not in one place"
            );
            if queue.parked.blocker_of(id).is_some() {
                queue.update(id, |_| ());
            }
        }
        assert!(queue.parked.is_empty(), "something is parked that is not pending: {:?}", queue.parked);
        let all_due = queue.tasks().filter_map(|task| Some((due(task)?, task.id)));
        assert_eq!(queue.due, all_due.collect(), "what is due");

        let is_held =
            |id: &TaskId| queue.get(*id).is_some_and(|task| task.state.status == TaskStatus::InProgress);
        Projection {
            tasks: queue.tasks().cloned().map(without_times).collect(),
            ready: queue.ready.serving().places(),
            due: queue.due.iter().filter(|(_, id)| !is_held(id)).copied().collect(),
            ended: (1..=last.0).filter_map(|id| Some((TaskId(id), queue.fate(TaskId(id))?))).collect(),
            dependents: queue.dependents,
            keys: queue.keys,
            rules: queue.rules,
            running: queue.running.sorted(),
        }
    }
}

fn without_times(mut task: Task) -> Task {
    if let Some(lease) = &mut task.state.lease {
        (lease.expires_at, lease.hard_end, lease.progressed_at) = Default::default();
    }
    if task.state.status != TaskStatus::Pending {
        task.placing = Placing::default();
    }
    task
}
