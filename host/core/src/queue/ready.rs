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
        self.next = Some(Successor { index: Index::new(order), ranked_to: TaskId(0), late, due: now });
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
    pub(crate) fn take_over(&mut self) {
        if let Some(next) = self.next.take() {
            self.serving = next.index;
        }
    }

    /// When the next tasks are to be ranked, if another order takes over.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.next.as_ref().map(|next| next.due)
    }
}
