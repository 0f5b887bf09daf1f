//! One order after another: while the old one serves, tasks are ranked by the new one, some at a time.

use std::ops::Bound::{Excluded, Unbounded};

use super::index::Order;
use super::{Placing, Queue, assignee, holder};
use crate::{Choosing, Decide, PolicyVersion, TaskId, TaskStatus, Timestamp};

/// How many tasks are ranked at once: about a millisecond of work, for which claims wait.
const AT_ONCE: usize = 256;

/// How long claims then have before the next are, in milliseconds.
const PAUSE_MS: u64 = 3;

impl Queue {
    /// The order of this scheduler takes over, once all tasks are ranked by it. It has no tasks to rank: at once.
    pub(crate) fn succeed(&mut self, by: Option<PolicyVersion>, choosing: Choosing, now: Timestamp) {
        let number = self.ready.newest().number + 1;
        self.ready.succeed(Order { number, by, choosing }, now);
    }

    /// Ranks some tasks by the order that takes over, if one does, and lets go of some in those before.
    pub(crate) fn rank_some(&mut self, decide: &mut dyn Decide, now: Timestamp) {
        self.ready.drain(AT_ONCE, now.plus_millis(PAUSE_MS));
        let Some((order, ranked_to, late)) = self.ready.succession() else { return };
        let (number, by) = (order.number, order.by.clone());
        let late: Vec<TaskId> = late.iter().take(AT_ONCE).copied().collect();
        let ahead = self.tasks.range((Excluded(ranked_to), Unbounded)).map(|(id, _)| *id);
        let ahead: Vec<TaskId> = ahead.take(AT_ONCE - late.len()).collect();
        let is_last = late.len() + ahead.len() < AT_ONCE;

        let is_unranked = |id: &TaskId| {
            let task = self.tasks.get(id)?;
            let counts = match task.state.status {
                TaskStatus::Pending | TaskStatus::InProgress | TaskStatus::Verifying => true,
                TaskStatus::Blocked
                | TaskStatus::Scheduled
                | TaskStatus::NeedsInput
                | TaskStatus::Completed
                | TaskStatus::Failed
                | TaskStatus::Cancelled => false,
            };
            (counts && task.placing.order != number).then_some(task)
        };
        let tasks: Vec<_> = late.iter().chain(&ahead).filter_map(is_unranked).collect();
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        let places = if tasks.is_empty() { Vec::new() } else { decide.rank(by.as_ref(), &tasks, now) };
        for (id, (rank, group)) in ids.into_iter().zip(places) {
            self.place_next(id, Placing { rank, group, order: number });
        }
        let to = ahead.last().copied().unwrap_or(ranked_to);
        self.ready.ranked(to, &late, now.plus_millis(PAUSE_MS));
        if is_last {
            self.ready.take_over(now);
            self.stirred = true;
        }
    }

    /// A task has this place in the order that takes over; in the one that serves it keeps its own.
    fn place_next(&mut self, id: TaskId, placing: Placing) {
        let Some(task) = self.tasks.get(&id) else { return };
        if self.ready.serving().contains(id) {
            let class = self.class(task);
            self.ready.insert_next(id, assignee(task), class, &placing);
        }
        let is_held = self.running.is_counted(task);
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if is_held {
            self.running.remove(holder(task), task);
        }
        task.placing = placing;
        if is_held {
            self.running.add(holder(task), task);
        }
    }
}
