//! What happened to a queue in some time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use longhouse_core::{
    Agent, AgentName, Capability, ProfileName, QueueRules, Role, TaskId, TaskSpec, Timestamp,
};

use crate::Ran;

/// What happened to a queue in some time.
#[derive(Debug, Clone)]
pub struct Trace {
    /// From when on.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The limits in force.
    pub rules: QueueRules,
    /// The agents that there are.
    pub agents: Vec<Agent>,
    /// Tasks that somebody worked on, or that could have been worked on; the oldest first.
    pub tasks: Vec<PastTask>,
    /// What happened to them, in order.
    pub events: Vec<PastEvent>,
}

/// A task, as far as a scheduler looks at it.
#[derive(Debug, Clone)]
pub struct PastTask {
    /// Which.
    pub id: TaskId,
    /// Whose; `None` for the operator.
    pub creator: Option<AgentName>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What is asked for.
    pub spec: Arc<TaskSpec>,
}

/// Something that happened to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvent {
    /// When.
    pub at: Timestamp,
    /// To which task.
    pub task: TaskId,
    /// What.
    pub what: What,
}

/// What happened to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// An agent took it.
    Claimed {
        /// Who.
        agent: AgentName,
        /// How long it could have been claimed before that, in milliseconds.
        waited_ms: u64,
    },
    /// It is done.
    Completed,
    /// An attempt failed.
    Failed {
        /// Whether it was the last.
        was_last: bool,
    },
    /// Its holder gave it back, or vanished.
    GivenBack,
    /// It waits for an answer.
    Asked,
    /// The answer came.
    Answered,
    /// It is not wanted any more.
    Cancelled,
}

/// A time in which an agent had a task.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) agent: AgentName,
    /// Its place among the tasks.
    pub(crate) task: usize,
    pub(crate) waited_ms: u64,
    pub(crate) from: Timestamp,
    /// `None` while it lasts.
    pub(crate) to: Option<Timestamp>,
}

impl Trace {
    /// Who had which task when, as it was.
    pub fn ran(&self) -> Vec<Ran> {
        let ran = |hold: Hold| Ran {
            task: hold.task,
            agent: hold.agent,
            waited_ms: hold.waited_ms,
            from: hold.from,
            to: hold.to.unwrap_or(self.until),
        };
        self.holds().into_iter().map(ran).collect()
    }

    /// Where each task is.
    pub(crate) fn places(&self) -> HashMap<TaskId, usize> {
        self.tasks.iter().enumerate().map(|(place, task)| (task.id, place)).collect()
    }

    /// Who had which task when, in the order in which they were taken.
    pub(crate) fn holds(&self) -> Vec<Hold> {
        let places = self.places();
        let mut holds: Vec<Hold> = Vec::new();
        let mut open: HashMap<TaskId, usize> = HashMap::new();
        for PastEvent { at, task, what } in &self.events {
            let Some(place) = places.get(task) else { continue };
            if let What::Answered = what {
                continue;
            }
            if let Some(hold) = open.remove(task).and_then(|hold| holds.get_mut(hold)) {
                hold.to = Some(*at);
            }
            if let What::Claimed { agent, waited_ms } = what {
                open.insert(*task, holds.len());
                let (agent, waited_ms) = (agent.clone(), *waited_ms);
                holds.push(Hold { agent, task: *place, waited_ms, from: *at, to: None });
            }
        }
        holds
    }

    /// All agents that have a part in it, those that are no more with what they must have been capable of.
    pub fn everybody(&self) -> Vec<Agent> {
        let mut agents = self.agents.clone();
        let known: BTreeSet<AgentName> = agents.iter().map(|agent| agent.name.clone()).collect();
        let mut gone: BTreeMap<AgentName, BTreeSet<Capability>> = BTreeMap::new();
        for task in &self.tasks {
            for name in task.creator.iter().chain(&task.spec.assigned_to) {
                gone.entry(name.clone()).or_default();
            }
        }
        for hold in self.holds() {
            let needs = self.tasks.get(hold.task).map(|task| task.spec.capabilities.to_vec());
            gone.entry(hold.agent).or_default().extend(needs.into_iter().flatten());
        }
        for (name, capabilities) in gone {
            if !known.contains(&name)
                && let Ok(profile) = "gone".parse::<ProfileName>()
            {
                let capabilities = capabilities.into_iter().collect();
                agents.push(Agent { name, role: Role::Worker, profile, capabilities });
            }
        }
        agents
    }
}
