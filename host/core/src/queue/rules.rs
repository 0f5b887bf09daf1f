//! What coordinators bound: how much of what kind runs at once, and how fast it starts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Class, Running};
use crate::{AgentName, Budget, Label, Timestamp};

/// What a coordinator set for the queue. Stored whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueRules {
    /// Nothing is granted.
    pub paused: bool,
    /// Nothing with such a label is granted.
    pub paused_labels: BTreeSet<Label>,
    /// What else is bounded.
    pub limits: QueueLimits,
}

/// Bounds on what is in progress at the same time, and on how fast it starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueLimits {
    /// Per label.
    pub labels: BTreeMap<Label, LabelLimit>,
    /// Tasks held by each agent at once, save those named in `agents`.
    pub per_agent: Option<u32>,
    /// Tasks held by these agents at once.
    pub agents: BTreeMap<AgentName, u32>,
    /// What everybody may use together.
    pub budget: Option<Budget>,
    /// What each agent may use, save those named in `agent_budgets`.
    pub budget_per_agent: Option<Budget>,
    /// What these agents may use.
    pub agent_budgets: BTreeMap<AgentName, Budget>,
}

/// Bounds on the tasks with one label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelLimit {
    /// In progress at once.
    pub concurrent: Option<u32>,
    /// Granted within any second.
    pub starts_per_second: Option<u32>,
}

/// What is paused or resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// Tasks with this label; the whole queue if `None`.
    pub label: Option<Label>,
}

impl QueueRules {
    /// Whether any rule is about this label.
    pub(crate) fn gates(&self, label: &Label) -> bool {
        self.paused_labels.contains(label) || self.limits.labels.contains_key(label)
    }

    /// The first of the labels that keeps tasks of this class from being granted now.
    pub(crate) fn closed_by<'a>(
        &self,
        class: &'a Class,
        running: &Running,
        rates: &Rates,
        now: Timestamp,
    ) -> Option<&'a Label> {
        class.gated.iter().find(|label| {
            self.paused_labels.contains(label)
                || self.limits.labels.get(label).is_some_and(|limit| {
                    limit.concurrent.is_some_and(|most| running.with_label(label) >= most)
                        || limit.starts_per_second.is_some_and(|rate| rates.opens_at(label, rate) > now)
                })
        })
    }

    /// How much the agent may use.
    pub(crate) fn budget_of(&self, agent: &AgentName) -> Option<&Budget> {
        self.limits.agent_budgets.get(agent).or(self.limits.budget_per_agent.as_ref())
    }

    /// How many tasks the agent may hold at once.
    pub(crate) fn limit_of(&self, agent: &AgentName) -> Option<u32> {
        self.limits.agents.get(agent).copied().or(self.limits.per_agent)
    }
}

/// When tasks of each label started, for as long as that matters: at most a second's worth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rates(BTreeMap<Label, Vec<Timestamp>>);

impl Rates {
    /// A task of this label starts.
    pub(crate) fn note(&mut self, label: &Label, now: Timestamp) {
        let starts = self.0.entry(label.clone()).or_default();
        starts.retain(|start| now.since(*start).as_millis() < 1_000);
        starts.push(now);
    }

    /// When the next may start, if `rate` may within any second; long past if now.
    pub(crate) fn opens_at(&self, label: &Label, rate: u32) -> Timestamp {
        let rate = usize::try_from(rate).unwrap_or(usize::MAX);
        let starts = self.0.get(label).map(Vec::as_slice).unwrap_or_default();
        if rate == 0 {
            return Timestamp::from_millis(u64::MAX);
        }
        let oldest_that_counts = starts.len().checked_sub(rate).and_then(|index| starts.get(index));
        oldest_that_counts
            .map_or(Timestamp::from_millis(0), |start| start.plus(std::time::Duration::from_secs(1)))
    }
}
