//! The tasks that could begin now, in the order of the scheduler in force; and, while another takes over, in its order as far
//! as it has ranked them.

use std::collections::BTreeSet;

use super::index::{Class, Index, Order};
use crate::decide::rank_by_priority;
use crate::{AgentName, Group, Rank, Task, TaskId, Timestamp};

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

impl Placing {
    /// The place that the host gives a task, in no scheduler's order.
    pub(crate) fn by_host(task: &Task) -> Self {
        Self { rank: rank_by_priority(task), ..Self::default() }
    }
}

/// The tasks that could begin now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ready {
    serving: Index,
    next: Option<Successor>,
    /// Tasks that lie in the index with the host's places, because the scheduler could not say theirs; or did, and are gone.
    unranked: BTreeSet<TaskId>,
    /// When it is asked again.
    asked_again_at: Timestamp,
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
        match &mut self.next {
            Some(next) if next.index.order.number == *order => {
                next.index.insert(id, assignee.clone(), class.clone(), *rank, group.clone());
            }
            Some(next) if id <= next.ranked_to => drop(next.late.insert(id)),
            None if self.serving.order.number != *order => drop(self.unranked.insert(id)),
            Some(_) | None => {}
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
        self.unranked.clear();
        let abandoned = self.next.replace(next).map(|next| next.index);
        self.retire(abandoned, now);
    }

    /// Of the order that takes over, or of the one that serves: up to which task all are ranked, and which of those are not.
    pub(crate) fn ranking(&self) -> Option<(&Order, TaskId, &BTreeSet<TaskId>)> {
        match &self.next {
            Some(next) => Some((&next.index.order, next.ranked_to, &next.late)),
            None if self.unranked.is_empty() => None,
            None => Some((&self.serving.order, TaskId(u64::MAX), &self.unranked)),
        }
    }

    /// A task that is ready has its place in that order.
    pub(crate) fn insert_ranked(
        &mut self,
        id: TaskId,
        assignee: Option<AgentName>,
        class: Class,
        placing: &Placing,
    ) {
        let index = self.next.as_mut().map_or(&mut self.serving, |next| &mut next.index);
        index.insert(id, assignee, class, placing.rank, placing.group.clone());
    }

    /// Tasks up to `to` are ranked, and so are these late ones. The next of them are at `due`.
    pub(crate) fn ranked(&mut self, to: TaskId, late: &[TaskId], due: Timestamp) {
        self.ask_again_at(due);
        let unranked = match &mut self.next {
            Some(next) => {
                next.ranked_to = to;
                &mut next.late
            }
            None => &mut self.unranked,
        };
        for id in late {
            unranked.remove(id);
        }
    }

    /// The scheduler is asked for the places of those that are not ranked at `due`.
    pub(crate) fn ask_again_at(&mut self, due: Timestamp) {
        match &mut self.next {
            Some(next) => next.due = due,
            None => self.asked_again_at = due,
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

    /// When the next tasks are to be ranked or let go of, if any are.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let ranking = self.next.as_ref().map(|next| next.due);
        let draining = (!self.retired.is_empty()).then_some(self.drained_at);
        let repairing = (!self.unranked.is_empty()).then_some(self.asked_again_at);
        ranking.into_iter().chain(draining).chain(repairing).min()
    }
}
