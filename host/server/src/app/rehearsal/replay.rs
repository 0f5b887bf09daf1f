//! What happened, again, with another policy.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longhouse_core::{
    Agent, Caller, PolicyKind, PolicyVersion, QueueRules, Task, TaskId, TaskStatus, Timestamp,
};
use longhouse_engine::policy::PolicyDecider;
use longhouse_replay::{Agreement, Deciding, Measures, PastEvent, Retrace, Trace, What, measure, simulate};
use longhouse_store::History;
use serde::{Deserialize, Serialize};

use super::{Cast, Fared, Part, agents, happened, past, rules};
use crate::app::policies::{self, PolicyRefusal, Wanted};
use crate::app::{App, AppError, Project};

/// The most events that a replay is made of.
const EVENTS: u32 = 500_000;

/// How long a replay may take in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a replay tells.
#[derive(Debug, Serialize, Deserialize)]
pub struct Replayed {
    /// What the policy decides.
    pub kind: PolicyKind,
    /// From when on, by the server's clock.
    #[serde(rename = "since_ms")]
    pub since: Timestamp,
    /// Until when.
    #[serde(rename = "until_ms")]
    pub until: Timestamp,
    /// How many tasks it is about.
    pub tasks: usize,
    /// Of how many of them it is a guess how long they take: nobody finished them.
    pub guessed: usize,
    /// As it was.
    pub recorded: Measures,
    /// As it would be again, with what is in force.
    pub in_force: Column,
    /// As it would have been.
    pub candidate: Column,
    /// How often the candidate would have given another task.
    pub picks: Agreement,
    /// How the candidate fared.
    pub record: Fared,
}

/// What a simulation tells.
#[derive(Debug, Serialize, Deserialize)]
pub struct Column {
    /// The policy; `host` is the host itself.
    pub name: String,
    /// Which version; none of the host.
    pub version: Option<PolicyVersion>,
    /// What came of it.
    #[serde(flatten)]
    pub measures: Measures,
}

/// What this policy would have done since then, beside what was and what the one in force would do again.
///
/// # Errors
/// When it is no policy of this kind, another replay goes on, or too much happened since then.
pub async fn replay(
    app: &Arc<App>,
    project: &Arc<Project>,
    kind: PolicyKind,
    wanted: Wanted,
    since: Timestamp,
) -> Result<Replayed, AppError> {
    if kind == PolicyKind::Admission {
        return Err(PolicyRefusal::NothingToReplay.into());
    }
    let one = Arc::clone(&project.rehearsing).try_acquire_owned().map_err(|_| PolicyRefusal::Rehearsing)?;
    let (rules, in_force) = (rules(project).await?, policies::in_force(project, Caller::Server).await?);
    let history = project.read(move |reads| reads.history(since, EVENTS)).await?;
    if history.events.len() >= usize::try_from(EVENTS).unwrap_or(usize::MAX) {
        return Err(PolicyRefusal::TooMuchHappened { most: EVENTS }.into());
    }
    let trace = trace(history, rules, agents(project), (since, app.clock.now()));
    let (app, project) = (Arc::clone(app), Arc::clone(project));
    let replayed = tokio::task::spawn_blocking(move || -> Result<Replayed, AppError> {
        // It goes on when nobody waits for the answer any more.
        let _one = one;
        let mut cast = Cast::load(&app, &project, kind, wanted, &in_force)?;
        let begun = Instant::now();
        let is_enough = || begun.elapsed() > PATIENCE;
        let too_long = || PolicyRefusal::ReplayTooLong { seconds: PATIENCE.as_secs() };
        let column = |cast: &mut Cast, part: Part| -> Result<(Column, usize), AppError> {
            let simulated = simulate(&trace, &cast.deciding(kind, part), &mut cast.decider, &is_enough);
            if simulated.is_cut_off {
                return Err(too_long().into());
            }
            let (name, version) = cast.called(kind, part);
            Ok((Column { name, version, measures: measure(&trace, &simulated.ran) }, simulated.guessed))
        };
        let (in_force, _) = column(&mut cast, Part::InForce)?;
        let (candidate, guessed) = column(&mut cast, Part::Candidate)?;
        let deciding = cast.deciding(kind, Part::Candidate);
        let picks = retrace(&trace, &deciding, &mut cast.decider, &is_enough).ok_or_else(too_long)?;
        Ok(Replayed {
            kind,
            since: trace.since,
            until: trace.until,
            tasks: trace.tasks.len(),
            guessed,
            recorded: measure(&trace, &trace.ran()),
            in_force,
            candidate,
            picks,
            record: cast.record(),
        })
    });
    replayed.await.map_err(|_| AppError::CutOff)?
}

fn trace(
    history: History,
    rules: QueueRules,
    agents: Vec<Agent>,
    (since, until): (Timestamp, Timestamp),
) -> Trace {
    let events: Vec<PastEvent> = history.events.iter().filter_map(happened).collect();
    let claimed: BTreeSet<TaskId> = events
        .iter()
        .filter(|event| matches!(event.what, What::Claimed { .. }))
        .map(|event| event.task)
        .collect();
    let waits = |task: &Task| match task.state.status {
        TaskStatus::Pending | TaskStatus::Blocked | TaskStatus::Scheduled => true,
        // Somebody had these before it began.
        TaskStatus::InProgress | TaskStatus::Verifying | TaskStatus::NeedsInput => false,
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => false,
    };
    let tasks =
        history.tasks.iter().filter(|task| waits(task) || claimed.contains(&task.id)).map(past).collect();
    Trace { since, until, rules, agents, tasks, events }
}

/// How often a policy agrees with what happened; nothing if `is_enough` says so before the end.
fn retrace(
    trace: &Trace,
    deciding: &Deciding,
    decider: &mut PolicyDecider,
    is_enough: &dyn Fn() -> bool,
) -> Option<Agreement> {
    let mut retrace = Retrace::new(&trace.rules, trace.everybody(), deciding, decider);
    let mut tasks = trace.tasks.iter().peekable();
    for event in &trace.events {
        while let Some(task) = tasks.next_if(|task| task.created_at <= event.at) {
            retrace.add(task, task.created_at);
        }
        retrace.follow(event);
        if is_enough() {
            return None;
        }
    }
    Some(retrace.agreement().clone())
}
