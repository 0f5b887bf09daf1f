//! The tasks that could begin now, in the order of the scheduler in force; and, while another takes over, in its order as far
//! as it has ranked them.

use std::collections::BTreeSet;

use super::index::{Class, Index, Order};
use crate::{AgentName, Group, Rank, TaskId, Timestamp};

/// A task's place, as its scheduler said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placing {
    /// Its place in the order.
    pub rank: Rank,
    /// What it is counted with.
    pub group: Group,
    /// In the order of this number.
    pub(crate) order: u32,
}

/// The tasks that could begin now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ready {
    serving: Index,
    next: Option<Successor>,
    /// Those that serve no more. To drop one of a million tasks at once would keep claims waiting.
    retired: Vec<Index>,
    /// When the next tasks of those are let go of.
    drained_at: Timestamp,
}

/// An order that takes over once every task has its place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Successor {
    index: Index,
    /// Tasks up to this one are ranked, save those that became ready since and were not by this order.
    ranked_to: TaskId,
    late: BTreeSet<TaskId>,
    /// When the next of them are.
    due: Timestamp,
}

impl Ready {
    /// The index that claims are served from.
    pub(crate) const fn serving(&self) -> &Index {
        &self.serving
    }

    /// The same, to note what was granted.
    pub(crate) const fn serving_mut(&mut self) -> &mut Index {
        &mut self.serving
    }

    /// The order that tasks are ranked by from now on.
    pub(crate) fn newest(&self) -> &Order {
        self.next.as_ref().map_or(&self.serving.order, |next| &next.index.order)
    }

    /// Adds a task; one that is there is moved.
    pub(crate) fn insert(
        &mut self,
        id: TaskId,
        assignee: Option<AgentName>,
        class: Class,
        placing: &Placing,
    ) {
        let Placing { rank, group, order } = placing;
        if let Some(next) = &mut self.next {
            if next.index.order.number == *order {
                next.index.insert(id, assignee.clone(), class.clone(), *rank, group.clone());
            } else if id <= next.ranked_to {
                next.late.insert(id);
            }
        }
        self.serving.insert(id, assignee, class, *rank, group.clone());
    }

    /// Takes a task out, if it is there.
    pub(crate) fn remove(&mut self, id: TaskId) {
        self.serving.remove(id);
        if let Some(next) = &mut self.next {
            next.index.remove(id);
        }
    }

    /// Another order takes over, once all tasks are ranked by it.
    pub(crate) fn succeed(&mut self, order: Order, now: Timestamp) {
        let late = BTreeSet::new();
        let next = Successor { index: Index::new(order), ranked_to: TaskId(0), late, due: now };
        let abandoned = self.next.replace(next).map(|next| next.index);
        self.retire(abandoned, now);
    }

    /// Of the order that takes over: up to which task all are ranked, and which of those are not.
    pub(crate) fn succession(&self) -> Option<(&Order, TaskId, &BTreeSet<TaskId>)> {
        self.next.as_ref().map(|next| (&next.index.order, next.ranked_to, &next.late))
    }

    /// A task that is ready has its place in the order that takes over.
    pub(crate) fn insert_next(
        &mut self,
        id: TaskId,
        assignee: Option<AgentName>,
        class: Class,
        placing: &Placing,
    ) {
        if let Some(next) = &mut self.next {
            next.index.insert(id, assignee, class, placing.rank, placing.group.clone());
        }
    }

    /// Tasks up to `to` are ranked, and so are these late ones. The next of them are at `due`.
    pub(crate) fn ranked(&mut self, to: TaskId, late: &[TaskId], due: Timestamp) {
        if let Some(next) = &mut self.next {
            (next.ranked_to, next.due) = (to, due);
            for id in late {
                next.late.remove(id);
            }
        }
    }

    /// The order that was to take over does.
    pub(crate) fn take_over(&mut self, now: Timestamp) {
        if let Some(next) = self.next.take() {
            let before = std::mem::replace(&mut self.serving, next.index);
            self.retire(Some(before), now);
        }
    }

    fn retire(&mut self, index: Option<Index>, now: Timestamp) {
        let Some(index) = index.filter(|index| !index.is_empty()) else { return };
        if self.retired.is_empty() {
            self.drained_at = now;
        }
        self.retired.push(index);
    }

    /// Lets go of so many tasks of what serves no more. The next of them are at `due`.
    pub(crate) fn drain(&mut self, count: usize, due: Timestamp) {
        self.drained_at = due;
        if self.retired.last_mut().is_some_and(|index| !index.drain(count)) {
            self.retired.pop();
        }
    }

    /// When the next tasks are to be ranked, if another order takes over, or let go of.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let ranking = self.next.as_ref().map(|next| next.due);
        let draining = (!self.retired.is_empty()).then_some(self.drained_at);
        ranking.into_iter().chain(draining).min()
    }
}
