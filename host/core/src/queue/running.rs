//! What is in progress, counted for limits.

use std::collections::BTreeMap;

use crate::decide::Decaying;
use crate::{AgentName, Group, Label, Task, TaskId, TaskStatus, Timestamp};

/// After how long what a group was served counts for half, in milliseconds.
const HALF_LIFE_MS: u64 = 10 * 60 * 1_000;

/// How many groups are remembered that have nothing in progress.
const GROUPS: usize = 10_000;

/// What is in progress, counted by agent and label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Running {
    agents: BTreeMap<AgentName, Vec<TaskId>>,
    labels: BTreeMap<Label, u32>,
    /// Those that say which paths they touch.
    touching: Vec<TaskId>,
    groups: BTreeMap<Group, u32>,
    served: BTreeMap<Group, Decaying>,
}

impl Running {
    /// A task is in progress, held by `holder`; by nobody while it is being checked.
    pub(crate) fn add(&mut self, holder: Option<&AgentName>, task: &Task) {
        if let Some(agent) = holder {
            self.agents.entry(agent.clone()).or_default().push(task.id);
        }
        for label in &task.spec.labels {
            *self.labels.entry(label.clone()).or_default() += 1;
        }
        if !task.spec.touches.is_empty() {
            self.touching.push(task.id);
        }
        *self.groups.entry(task.placing.group.clone()).or_default() += 1;
    }

    /// It is not any more.
    pub(crate) fn remove(&mut self, holder: Option<&AgentName>, task: &Task) {
        if let Some(agent) = holder
            && let Some(held) = self.agents.get_mut(agent)
        {
            held.retain(|id| *id != task.id);
            if held.is_empty() {
                self.agents.remove(agent);
            }
        }
        for label in &task.spec.labels {
            if let Some(count) = self.labels.get_mut(label) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.labels.remove(label);
                }
            }
        }
        self.touching.retain(|id| *id != task.id);
        if let Some(count) = self.groups.get_mut(&task.placing.group) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.groups.remove(&task.placing.group);
            }
        }
    }

    /// Whether a task is among these.
    pub(crate) fn is_counted(&self, task: &Task) -> bool {
        match task.state.status {
            TaskStatus::InProgress | TaskStatus::Verifying => true,
            TaskStatus::Blocked
            | TaskStatus::Scheduled
            | TaskStatus::Pending
            | TaskStatus::NeedsInput
            | TaskStatus::Completed
            | TaskStatus::Failed
            | TaskStatus::Cancelled => false,
        }
    }

    /// A task of this group was held for as long, until `now`.
    pub(crate) fn note_served(&mut self, group: &Group, ms: u64, now: Timestamp) {
        if self.served.len() >= GROUPS && !self.served.contains_key(group) {
            self.served.retain(|_, served| served.at(now, HALF_LIFE_MS) > 0);
        }
        let served = self.served.entry(group.clone()).or_default();
        *served = served.plus(ms, now, HALF_LIFE_MS);
    }

    /// How many tasks of a group are held, and for how long they were lately, in milliseconds.
    pub(crate) fn of_group(&self, group: &Group, now: Timestamp) -> (u32, u64) {
        let held = self.groups.get(group).copied().unwrap_or_default();
        (held, self.served.get(group).map_or(0, |served| served.at(now, HALF_LIFE_MS)))
    }

    /// The tasks that an agent holds, in the order it got them.
    pub(crate) fn held_by(&self, agent: &AgentName) -> &[TaskId] {
        self.agents.get(agent).map(Vec::as_slice).unwrap_or_default()
    }

    /// How many tasks with this label are held.
    pub(crate) fn with_label(&self, label: &Label) -> u32 {
        self.labels.get(label).copied().unwrap_or_default()
    }

    /// The same without the order in which the tasks began.
    #[cfg(test)]
    pub(crate) fn sorted(mut self) -> Self {
        self.agents.values_mut().for_each(|held| held.sort());
        self.touching.sort();
        self.served.clear();
        self
    }

    /// Held tasks that say which paths they touch.
    pub(crate) fn touching(&self) -> &[TaskId] {
        &self.touching
    }
}
