//! A policy that is asked beside the one in force.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::StreamExt as _;
use longhouse_core::{Caller, EventSeq, PolicyKind, PolicyVersion, Task, TaskStatus, Timestamp};
use longhouse_engine::policy::{Decided, Opinion, Taps, WarmPolicy, opinion};
use longhouse_replay::{Agreement, PastEvent, Retrace};
use longhouse_store::{Clock, EventFilter};
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;

use super::{Cast, Fared, Part, agents, happened, past, rules};
use crate::app::policies::{self, PolicyRefusal, Wanted};
use crate::app::{App, AppError, Project, events};

/// Events that a shadow reads at once.
const PAGE: u32 = 500;

/// How many decisions are kept that a shadow would have made otherwise, and how many characters of what they were about.
const LATEST: usize = 20;

const MOST_SAID: usize = 200;

/// After so many faults a shadow is asked about locks and runs no more.
const FAULTS: u64 = 3;

/// How much is kept of what it prints then, in bytes, give or take one call.
const PRINTED: usize = 4 << 10;

/// A policy beside the one in force.
#[derive(Debug)]
pub struct Shadow {
    kind: PolicyKind,
    version: PolicyVersion,
    name: String,
    since: Timestamp,
    shown: Arc<Mutex<Shown>>,
    /// Reads events for it; it ends with that.
    reader: Option<AbortHandle>,
    /// Passes decisions on to it.
    taps: Arc<Taps>,
}

/// What a shadow has done so far.
#[derive(Debug, Clone, Default)]
struct Shown {
    picks: Option<(Agreement, Fared)>,
    decisions: Option<(Decisions, Fared)>,
}

/// What is told of a shadow.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShadowFacts {
    /// The policy.
    pub name: String,
    /// Which version.
    pub version: PolicyVersion,
    /// Since when, by the server's clock.
    #[serde(rename = "since_ms")]
    pub since: Timestamp,
    /// How often it would have given another task; nothing if it does not decide about tasks.
    pub picks: Option<Agreement>,
    /// What it would have decided about locks or runs; nothing if it does not.
    pub decisions: Option<Decisions>,
    /// How it fared.
    pub record: Fared,
}

/// How often a policy would have decided otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    /// How often it was asked.
    pub asked: u64,
    /// How often it would have decided otherwise.
    pub differ: u64,
    /// The latest of those, in order.
    pub latest: VecDeque<Otherwise>,
}

/// A decision that it would have made otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Otherwise {
    /// When.
    #[serde(rename = "at_ms")]
    pub at: Timestamp,
    /// Who asked.
    pub agent: String,
    /// For what.
    pub about: String,
    /// What was decided.
    pub decided: String,
    /// What it would have decided.
    pub instead: String,
}

impl Drop for Shadow {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
        self.taps.end(self.kind);
    }
}

/// Has this policy follow what happens from now on, and say what it would have done. One that did for this kind stops.
///
/// # Errors
/// When it is no policy of this kind.
pub async fn shadow(
    app: &Arc<App>,
    project: &Arc<Project>,
    kind: PolicyKind,
    wanted: Wanted,
) -> Result<ShadowFacts, AppError> {
    let in_force = policies::in_force(project, Caller::Server).await?;
    let loaded = {
        let (app, project) = (Arc::clone(app), Arc::clone(project));
        tokio::task::spawn_blocking(move || -> Result<_, AppError> {
            let policy = policies::rehearsed(&app, &project, kind, wanted.clone())?;
            let policy = policy.ok_or(PolicyRefusal::HostIsNoShadow)?;
            let cast = match kind {
                PolicyKind::Scheduler | PolicyKind::Conflict => {
                    Some(Cast::load(&app, &project, kind, wanted, &in_force)?)
                }
                PolicyKind::Admission => None,
            };
            Ok((policy, cast))
        })
    };
    let (policy, cast) = loaded.await.map_err(|_| AppError::CutOff)??;
    let (version, name) = (policy.version().clone(), policy.description().name.clone());
    let mut shadows = project.shadows.lock().await;
    // Whoever follows decisions of this kind stops before another begins.
    drop(shadows.remove(&kind));
    let shown = Arc::<Mutex<Shown>>::default();
    let reader = match cast {
        Some(cast) => Some(follow_tasks(app, project, cast, kind, &shown).await?),
        None => None,
    };
    let taps = Arc::clone(&project.policies.taps);
    match kind {
        PolicyKind::Scheduler => {}
        PolicyKind::Conflict | PolicyKind::Admission => {
            follow_decisions(policy, taps.follow(kind), Arc::clone(&app.clock), Arc::clone(&shown))?;
        }
    }
    let shadow = Shadow { kind, version, name, since: app.clock.now(), shown, reader, taps };
    let facts = shadow.facts();
    shadows.insert(kind, shadow);
    Ok(facts)
}

/// Has a policy follow who is given which task.
async fn follow_tasks(
    app: &App,
    project: &Arc<Project>,
    mut cast: Cast,
    kind: PolicyKind,
    shown: &Arc<Mutex<Shown>>,
) -> Result<AbortHandle, AppError> {
    let (rules, now) = (rules(project).await?, app.clock.now());
    let history = project.read(move |reads| reads.history(now, 0)).await?;
    let (sender, receiver) = channel::<Followed>();
    let (agents, deciding, shown) =
        (agents(project), cast.deciding(kind, Part::Candidate), Arc::clone(shown));
    let last = history.last;
    lock(&shown).picks = Some(Default::default());
    on_a_thread(move || {
        // Asked for while the other is borrowed to be asked.
        let (records, candidate) = (cast.decider.records(), cast.candidate);
        let mut retrace = Retrace::new(&rules, agents, &deciding, &mut cast.decider);
        for task in &history.tasks {
            begin(&mut retrace, task, now);
        }
        for followed in receiver {
            match followed {
                Followed::Task(task, at) => retrace.add(&past(&task), at),
                Followed::Event(event) => retrace.follow(&event),
            }
            let record = candidate.as_ref().map(|(version, _)| records.of(version).into());
            lock(&shown).picks = Some((retrace.agreement().clone(), record.unwrap_or_default()));
        }
    })?;
    Ok(tokio::spawn(read_for(Arc::clone(project), last, sender)).abort_handle())
}

/// Has a policy follow what is decided about locks or runs, until it has failed three times.
fn follow_decisions(
    mut policy: WarmPolicy,
    decided: Receiver<Decided>,
    clock: Arc<dyn Clock>,
    shown: Arc<Mutex<Shown>>,
) -> Result<(), AppError> {
    lock(&shown).decisions = Some(Default::default());
    on_a_thread(move || {
        let (mut decisions, mut record) = (Decisions::default(), Fared::default());
        for decided in decided {
            let begun = Instant::now();
            let (opinion, printed) = opinion(&mut policy, &decided);
            record.calls += 1;
            record.took_us += u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            if record.printed.len() < PRINTED {
                record.printed.push_str(&printed);
            }
            match opinion {
                Ok(opinion) => decisions.note(&decided, opinion, clock.now()),
                Err(fault) => {
                    record.faults += 1;
                    record.last_fault = Some(fault.to_string());
                }
            }
            lock(&shown).decisions = Some((decisions.clone(), record.clone()));
            if record.faults >= FAULTS {
                return;
            }
        }
    })
}

fn on_a_thread(follow: impl FnOnce() + Send + 'static) -> Result<(), AppError> {
    let spawned = std::thread::Builder::new().name("policy-shadow".to_owned()).spawn(follow);
    Ok(spawned.map(drop).map_err(PolicyRefusal::NotKept)?)
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Decisions {
    fn note(&mut self, decided: &Decided, opinion: Opinion, at: Timestamp) {
        self.asked += 1;
        let Opinion { decided: was, instead, differs } = opinion;
        if !differs {
            return;
        }
        self.differ += 1;
        let (agent, about) = match decided {
            Decided::Lock { request, .. } => (&request.agent.name, request.patterns.join(", ")),
            Decided::Run { run, agent, .. } => (&agent.name, run.argv.join(" ")),
        };
        if self.latest.len() >= LATEST {
            self.latest.pop_front();
        }
        let about = about.chars().take(MOST_SAID).collect();
        self.latest.push_back(Otherwise { at, agent: agent.clone(), about, decided: was, instead });
    }
}

/// Ends a shadow, if there is one, and tells what it did.
pub async fn end_shadow(project: &Project, kind: PolicyKind) -> Option<ShadowFacts> {
    project.shadows.lock().await.remove(&kind).map(|shadow| shadow.facts())
}

/// What a shadow has done so far, if there is one.
pub async fn shadow_of(project: &Project, kind: PolicyKind) -> Option<ShadowFacts> {
    project.shadows.lock().await.get(&kind).map(Shadow::facts)
}

impl Shadow {
    fn facts(&self) -> ShadowFacts {
        let Shown { picks, decisions } = lock(&self.shown).clone();
        let (picks, of_picks) = picks.unzip();
        let (decisions, of_decisions) = decisions.unzip();
        ShadowFacts {
            name: self.name.clone(),
            version: self.version.clone(),
            since: self.since,
            picks,
            decisions,
            record: of_picks.unwrap_or_default().and(&of_decisions.unwrap_or_default()),
        }
    }
}

/// What a shadow is told.
enum Followed {
    Task(Box<Task>, Timestamp),
    Event(PastEvent),
}

/// Reads what happens to tasks, for as long as somebody listens.
async fn read_for(project: Arc<Project>, last: EventSeq, shadow: Sender<Followed>) {
    if let Err(error) = pass_on(&project, last, &shadow).await {
        tracing::error!(%error, "a shadow follows no more: the events cannot be read");
    }
}

async fn pass_on(project: &Arc<Project>, last: EventSeq, shadow: &Sender<Followed>) -> Result<(), AppError> {
    let filter = EventFilter { after: last.0, types: vec!["task.".to_owned()], task: None, limit: PAGE };
    let mut events = std::pin::pin!(events::follow(project, None, filter).await?);
    while let Some(event) = events.next().await {
        let event = event?;
        if let (Some(id), "task.created") = (event.task, event.kind.as_str())
            && let Some(record) = project.read(move |reads| reads.task(id)).await?
            && shadow.send(Followed::Task(Box::new(record.stored.task), event.at)).is_err()
        {
            return Ok(());
        }
        if let Some(past) = happened(&event)
            && shadow.send(Followed::Event(past)).is_err()
        {
            return Ok(());
        }
    }
    Ok(())
}

/// What is there when a shadow begins. A task that waits for an answer is not among those that could be given.
fn begin(retrace: &mut Retrace<'_>, task: &Task, now: Timestamp) {
    if task.state.status == TaskStatus::NeedsInput {
        return;
    }
    retrace.add(&past(task), task.created_at);
    if let Some(lease) = &task.state.lease {
        retrace.is_held(task.id, &lease.holder, now);
    }
}
