//! What another policy would do, before it decides anything: replays of what happened, and shadows of what does.

mod replay;
mod shadow;

use std::sync::Arc;

use longhouse_core::{
    Agent, AgentName, Caller, Command, Policies, PolicyKind, PolicyVersion, QueueCommand, QueueRules, Reply,
    Task,
};
use longhouse_engine::policy::{PolicyDecider, PolicyRecord, WarmPolicy};
use longhouse_replay::{Deciding, PastEvent, PastTask, What};
use longhouse_store::StoredEvent;
use serde::{Deserialize, Serialize};

use super::policies::{self, Wanted};
use super::{App, AppError, Project};

pub use replay::{Column, Replayed, replay};
pub use shadow::{Decisions, Otherwise, Shadow, ShadowFacts, end_shadow, shadow, shadow_of};

/// How a policy fared that decided nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fared {
    /// How often it was asked.
    pub calls: u64,
    /// How often it failed. It is not asked after the third time.
    pub faults: u64,
    /// How long it took in all, in microseconds.
    pub took_us: u64,
    /// What it did wrong last.
    pub last_fault: Option<String>,
    /// The beginning of what it printed.
    pub printed: String,
}

impl Fared {
    fn and(&self, other: &Self) -> Self {
        let either = |one: &String, other: &String| if one.is_empty() { other.clone() } else { one.clone() };
        Self {
            calls: self.calls + other.calls,
            faults: self.faults + other.faults,
            took_us: self.took_us + other.took_us,
            last_fault: self.last_fault.clone().or_else(|| other.last_fault.clone()),
            printed: either(&self.printed, &other.printed),
        }
    }
}

impl From<PolicyRecord> for Fared {
    fn from(record: PolicyRecord) -> Self {
        let PolicyRecord { calls, faults, skipped: _, took, last_fault, printed } = record;
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Self { calls, faults, took_us, last_fault, printed }
    }
}

/// Who decides in a rehearsal.
struct Cast {
    decider: PolicyDecider,
    /// Version and name; `None` is the host.
    candidate: Option<(PolicyVersion, String)>,
    scheduler: Option<(PolicyVersion, String)>,
    conflict: Option<(PolicyVersion, String)>,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    InForce,
    Candidate,
}

impl Cast {
    fn load(
        app: &App,
        project: &Project,
        kind: PolicyKind,
        wanted: Wanted,
        in_force: &Policies,
    ) -> Result<Self, AppError> {
        let known = |policy: &WarmPolicy| (policy.version().clone(), policy.description().name.clone());
        let load = |kind, wanted| policies::rehearsed(app, project, kind, wanted);
        let now = |kind| in_force.of(kind).cloned().map_or(Wanted::Host, Wanted::Version);
        let candidate = load(kind, wanted)?;
        let scheduler = load(PolicyKind::Scheduler, now(PolicyKind::Scheduler))?;
        let conflict = load(PolicyKind::Conflict, now(PolicyKind::Conflict))?;
        let names = [&candidate, &scheduler, &conflict].map(|policy| policy.as_ref().map(known));
        let decider = PolicyDecider::rehearsing([scheduler, conflict, candidate].into_iter().flatten());
        let [candidate, scheduler, conflict] = names;
        Ok(Self { decider, candidate, scheduler, conflict })
    }

    fn called(&self, kind: PolicyKind, part: Part) -> (String, Option<PolicyVersion>) {
        let policy = match (part, kind) {
            (Part::Candidate, _) => &self.candidate,
            (Part::InForce, PolicyKind::Scheduler) => &self.scheduler,
            (Part::InForce, PolicyKind::Conflict | PolicyKind::Admission) => &self.conflict,
        };
        match policy {
            Some((version, name)) => (name.clone(), Some(version.clone())),
            None => (policies::HOST.to_owned(), None),
        }
    }

    fn deciding(&self, kind: PolicyKind, part: Part) -> Deciding {
        let version =
            |policy: &Option<(PolicyVersion, String)>| policy.as_ref().map(|(version, _)| version.clone());
        let in_force = Deciding { scheduler: version(&self.scheduler), conflict: version(&self.conflict) };
        match (part, kind) {
            (Part::Candidate, PolicyKind::Scheduler) => {
                Deciding { scheduler: version(&self.candidate), ..in_force }
            }
            (Part::Candidate, PolicyKind::Conflict) => {
                Deciding { conflict: version(&self.candidate), ..in_force }
            }
            (Part::InForce, _) | (_, PolicyKind::Admission) => in_force,
        }
    }

    fn record(&self) -> Fared {
        let record = self.candidate.as_ref().map(|(version, _)| self.decider.records().of(version).into());
        record.unwrap_or_default()
    }
}

async fn rules(project: &Project) -> Result<QueueRules, AppError> {
    let reply = project.ask(Caller::Server, Command::Queue(QueueCommand::Find)).await?;
    let Reply::Queue(facts) = reply else { return Err(AppError::Confused) };
    Ok(facts.rules)
}

fn agents(project: &Project) -> Vec<Agent> {
    project.coordinator.directory().agents().cloned().collect()
}

fn past(task: &Task) -> PastTask {
    PastTask {
        id: task.id,
        creator: task.creator.clone(),
        created_at: task.created_at,
        spec: Arc::clone(&task.spec),
    }
}

/// What an event means for who has which task, if anything.
fn happened(event: &StoredEvent) -> Option<PastEvent> {
    /// What is read of an event.
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Data {
        waited_ms: u64,
        again_at_ms: Option<u64>,
    }
    let data = || serde_json::from_str::<Data>(event.data.get()).unwrap_or_default();
    let agent = || -> Option<AgentName> { event.agent.clone() };
    let what = match event.kind.as_str() {
        "task.claimed" => What::Claimed { agent: agent()?, waited_ms: data().waited_ms },
        "task.completed" => What::Completed,
        "task.failed" => What::Failed { was_last: data().again_at_ms.is_none() },
        "task.released" | "task.lost" => What::GivenBack,
        "task.asked" | "task.needs_input" => What::Asked,
        "task.answered" => What::Answered,
        "task.cancelled" => What::Cancelled,
        _ => return None,
    };
    Some(PastEvent { at: event.at, task: event.task?, what })
}
