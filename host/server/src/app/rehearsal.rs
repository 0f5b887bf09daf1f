//! What another policy would do, before it decides anything: replays of what happened, and shadows of what does.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use longhouse_core::{
    Agent, AgentName, Caller, Command, EventSeq, PolicyKind, PolicyVersion, QueueCommand, QueueRules, Reply,
    Task, TaskId, TaskStatus, Timestamp,
};
use longhouse_engine::policy::{Decided, Opinion, PolicyDecider, PolicyRecord, Taps, WarmPolicy, opinion};
use longhouse_replay::{
    Agreement, Deciding, Measures, PastEvent, PastTask, Retrace, Trace, What, measure, simulate,
};
use longhouse_store::{Clock, EventFilter, History, StoredEvent};
use serde::{Deserialize, Serialize};
use tokio::task::AbortHandle;

use super::policies::{self, PolicyRefusal, Wanted};
use super::{App, AppError, Project, events};

/// The most events that a replay is made of.
const EVENTS: u32 = 500_000;

/// How long a replay may take in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Events that a shadow reads at once.
const PAGE: u32 = 500;

/// How many decisions are kept that a shadow would have made otherwise, and how many characters of what they were about.
const LATEST: usize = 20;
const MOST_SAID: usize = 200;

/// After so many faults a shadow is asked about locks and runs no more.
const FAULTS: u64 = 3;

/// How much is kept of what it prints then, in bytes, give or take one call.
const PRINTED: usize = 4 << 10;

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
    let Ok(_one) = project.rehearsing.try_acquire() else { return Err(PolicyRefusal::Rehearsing.into()) };
    let (rules, in_force) = (rules(project).await?, policies::in_force(project, Caller::Server).await?);
    let history = project.read(move |reads| reads.history(since, EVENTS)).await?;
    if history.events.len() >= usize::try_from(EVENTS).unwrap_or(usize::MAX) {
        return Err(PolicyRefusal::TooMuchHappened { most: EVENTS }.into());
    }
    let trace = trace(history, rules, agents(project), (since, app.clock.now()));
    let (app, project) = (Arc::clone(app), Arc::clone(project));
    let replayed = tokio::task::spawn_blocking(move || -> Result<Replayed, AppError> {
        let mut cast = Cast::load(&app, &project, kind, wanted, &in_force)?;
        let begun = Instant::now();
        let is_enough = || begun.elapsed() > PATIENCE;
        let column = |cast: &mut Cast, part: Part| -> Result<(Column, usize), AppError> {
            let simulated = simulate(&trace, &cast.deciding(kind, part), &mut cast.decider, &is_enough);
            if simulated.is_cut_off {
                return Err(PolicyRefusal::ReplayTooLong { seconds: PATIENCE.as_secs() }.into());
            }
            let (name, version) = cast.called(kind, part);
            Ok((Column { name, version, measures: measure(&trace, &simulated.ran) }, simulated.guessed))
        };
        let (in_force, _) = column(&mut cast, Part::InForce)?;
        let (candidate, guessed) = column(&mut cast, Part::Candidate)?;
        let deciding = cast.deciding(kind, Part::Candidate);
        let picks = retrace(&trace, &deciding, &mut cast.decider);
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
    // Whoever follows decisions of this kind stops before another begins.
    drop(end_shadow(project, kind));
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
    project.shadows.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, shadow);
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
    let (sender, receiver) = std::sync::mpsc::channel::<Followed>();
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
    decided: std::sync::mpsc::Receiver<Decided>,
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
pub fn end_shadow(project: &Project, kind: PolicyKind) -> Option<ShadowFacts> {
    let ended = project.shadows.lock().unwrap_or_else(PoisonError::into_inner).remove(&kind);
    ended.map(|shadow| shadow.facts())
}

/// What a shadow has done so far, if there is one.
pub fn shadow_of(project: &Project, kind: PolicyKind) -> Option<ShadowFacts> {
    project.shadows.lock().unwrap_or_else(PoisonError::into_inner).get(&kind).map(Shadow::facts)
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
async fn read_for(project: Arc<Project>, last: EventSeq, shadow: std::sync::mpsc::Sender<Followed>) {
    let filter = EventFilter { after: last.0, types: vec!["task.".to_owned()], task: None, limit: PAGE };
    let Ok(events) = events::follow(&project, None, filter).await else { return };
    let mut events = std::pin::pin!(events);
    while let Some(Ok(event)) = events.next().await {
        if let (Some(id), "task.created") = (event.task, event.kind.as_str()) {
            let Ok(record) = project.read(move |reads| reads.task(id)).await else { return };
            let Some(record) = record else { continue };
            if shadow.send(Followed::Task(Box::new(record.stored.task), event.at)).is_err() {
                return;
            }
        }
        if let Some(past) = happened(&event)
            && shadow.send(Followed::Event(past)).is_err()
        {
            return;
        }
    }
}

/// What is there when a shadow begins.
fn begin(retrace: &mut Retrace<'_>, task: &Task, now: Timestamp) {
    retrace.add(&past(task), task.created_at);
    if let Some(lease) = &task.state.lease {
        retrace.is_held(task.id, &lease.holder, now);
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
        in_force: &longhouse_core::Policies,
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
    match project.ask(Caller::Server, Command::Queue(QueueCommand::Find)).await? {
        Reply::Queue(facts) => Ok(facts.rules),
        _ => Err(AppError::Confused),
    }
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

fn retrace(trace: &Trace, deciding: &Deciding, decider: &mut PolicyDecider) -> Agreement {
    let mut retrace = Retrace::new(&trace.rules, trace.everybody(), deciding, decider);
    let mut tasks = trace.tasks.iter().peekable();
    for event in &trace.events {
        while let Some(task) = tasks.next_if(|task| task.created_at <= event.at) {
            retrace.add(task, task.created_at);
        }
        retrace.follow(event);
    }
    retrace.agreement().clone()
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
