//! What is in progress, counted for limits.

use std::collections::BTreeMap;

use crate::{AgentName, Label, Task, TaskId};

/// What is in progress, counted by agent and label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Running {
    agents: BTreeMap<AgentName, Vec<TaskId>>,
    labels: BTreeMap<Label, u32>,
    /// Those that say which paths they touch.
    touching: Vec<TaskId>,
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
        self
    }

    /// Held tasks that say which paths they touch.
    pub(crate) fn touching(&self) -> &[TaskId] {
        &self.touching
    }
}
