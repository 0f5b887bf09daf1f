//! One order after another: while the old one serves, tasks are ranked by the new one, some at a time.

use std::ops::Bound::{Excluded, Unbounded};

use super::index::Order;
use super::{Placing, Queue, assignee, holder};
use crate::{Choosing, Decide, PolicyVersion, Task, TaskId, TaskStatus, Timestamp};

/// How many tasks are ranked at once: about a millisecond of work, for which claims wait.
const AT_ONCE: usize = 256;

/// After how long a scheduler is asked again that could not say, in milliseconds: until then it may have time again.
const LATER_MS: u64 = 100;

/// About how many entries the lists of those tasks have at most: whoever makes tasks with hundreds of labels makes nobody wait.
const ENTRIES: usize = 4_096;

/// How long claims then have before the next are, in milliseconds.
const PAUSE_MS: u64 = 3;

/// How many entries a task's lists have; it counts for some itself.
fn entries(task: &Task) -> usize {
    8 + task.spec.labels.len() + task.spec.capabilities.len() + task.spec.touches.len()
}

impl Queue {
    /// The order of this scheduler takes over, once all tasks are ranked by it. It has no tasks to rank: at once.
    pub(crate) fn succeed(&mut self, by: Option<PolicyVersion>, choosing: Choosing, now: Timestamp) {
        let number = self.ready.newest().number + 1;
        self.ready.succeed(Order { number, by, choosing }, now);
    }

    /// Ranks some tasks by the order that takes over, if one does, or else those that the scheduler could not rank when they
    /// came; and lets go of some in the orders before.
    pub(crate) fn rank_some(&mut self, decide: &mut dyn Decide, now: Timestamp) {
        self.ready.drain(AT_ONCE, now.plus_millis(PAUSE_MS));
        let Some((order, ranked_to, late)) = self.ready.ranking() else { return };
        let (number, by) = (order.number, order.by.clone());
        let mut room = ENTRIES;
        let mut fits = |id: &TaskId| {
            let fits = room > 0;
            room = room.saturating_sub(self.tasks.get(id).map_or(0, entries));
            fits
        };
        let late: Vec<TaskId> = late.iter().take(AT_ONCE).copied().take_while(&mut fits).collect();
        let ahead = self.tasks.range((Excluded(ranked_to), Unbounded)).map(|(id, _)| *id);
        let ahead: Vec<TaskId> = ahead.take(AT_ONCE - late.len()).take_while(&mut fits).collect();
        let is_last = room > 0 && late.len() + ahead.len() < AT_ONCE;

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
        let places = if tasks.is_empty() { Some(Vec::new()) } else { decide.rank(by.as_ref(), &tasks, now) };
        let Some(places) = places else { return self.ready.ask_again_at(now.plus_millis(LATER_MS)) };
        for (id, (rank, group)) in ids.into_iter().zip(places) {
            self.place_again(id, Placing { rank, group, order: number });
        }
        let to = ahead.last().copied().unwrap_or(ranked_to);
        self.ready.ranked(to, &late, now.plus_millis(PAUSE_MS));
        if is_last {
            self.ready.take_over(now);
            self.stirred = true;
        }
    }

    /// A task has this place in the order that takes over, where it keeps its own in the one that serves; or in that one.
    fn place_again(&mut self, id: TaskId, placing: Placing) {
        let Some(task) = self.tasks.get(&id) else { return };
        if self.ready.serving().contains(id) {
            let class = self.class(task);
            self.ready.insert_ranked(id, assignee(task), class, &placing);
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
