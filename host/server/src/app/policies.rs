//! The policies of a project: which there are, which decide, and how they fare.
//!
//! A version is a component with a configuration, and never changes. What was once put in force is kept in the private
//! directory, so that a restart finds it and one can go back to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use longhouse_core::{
    AgentName, Caller, Command, InForce, Policies, PolicyCommand, PolicyKind, PolicyVersion, Reply,
    StoredTask, Task, TaskStatus, Timestamp,
};
use longhouse_engine::policy::{
    Ejected, PolicyDecider, PolicyEngine, PolicyError, PolicyRecord, PolicyRecords, Shelf, Taps, WarmPolicy,
};
use longhouse_store::{Coordinator, TaskFilter};
use serde::{Deserialize, Serialize};

use super::{App, AppError, By, Project};
use crate::home::{Home, Kept};

/// What the host's own decisions are called.
pub const HOST: &str = "host";

/// How many of the tasks that wait a scheduler is tried on.
const TRIED_ON: u32 = 256;

/// Where a project's policies are, between whoever loads them and the coordinator.
#[derive(Debug, Default)]
pub struct ProjectPolicies {
    shelf: Arc<Shelf>,
    records: Arc<PolicyRecords>,
    /// Who follows what is decided about locks and runs.
    pub(super) taps: Arc<Taps>,
}

/// What a server needs for policies.
#[derive(Clone)]
pub struct PolicyTools {
    /// Runs them.
    pub engine: PolicyEngine,
    /// Those that ship with it, by name.
    pub built_in: BTreeMap<String, PathBuf>,
}

/// What is to decide.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The host itself.
    Host,
    /// A policy that ships with the server.
    BuiltIn(String, Configured),
    /// This component.
    Component(Vec<u8>, Configured),
    /// A version that was in force before.
    Version(PolicyVersion),
}

/// What a policy is configured with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// What it reads.
    #[serde(rename = "config")]
    pub json: serde_json::Value,
    /// For about how many milliseconds of work a decision has fuel.
    #[serde(default = "usual_fuel_ms")]
    pub fuel_ms: u32,
}

/// What suffices for whatever is compiled to WebAssembly.
pub const fn usual_fuel_ms() -> u32 {
    1
}

/// What is kept of a version, beside its component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFacts {
    /// What it decides.
    pub kind: PolicyKind,
    /// As the policy calls itself.
    pub name: String,
    /// Of its code.
    pub code_version: String,
    /// When to choose it.
    pub summary: String,
    /// The hash of its component: the name that this is kept under.
    pub component: String,
    /// What it is configured with.
    #[serde(flatten)]
    pub config: Configured,
    /// When it was first put in force.
    pub added_at_ms: Timestamp,
    /// By whom; `None` for the operator.
    pub added_by: Option<AgentName>,
}

/// What decides something.
#[derive(Debug)]
pub struct Deciding {
    /// What.
    pub kind: PolicyKind,
    /// The versions.
    pub in_force: InForce,
    /// What is known of the one in force.
    pub facts: Option<VersionFacts>,
    /// How it fares since the server began.
    pub record: PolicyRecord,
}

/// Why a policy was not put in force.
#[derive(Debug, thiserror::Error)]
pub enum PolicyRefusal {
    /// It cannot be one, or not with this configuration.
    #[error(transparent)]
    Unusable(#[from] PolicyError),
    /// It decides something else.
    #[error("{name} is a policy for {is}; PUT /policies/{is} takes it")]
    WrongKind {
        /// The policy.
        name: String,
        /// What it decides.
        is: PolicyKind,
    },
    /// Nothing ships under this name.
    #[error("no policy called {name:?} ships with this server; there are {}", .known.join(", "))]
    NoSuchPolicy {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// This version was never in force here.
    #[error("no version {0} was in force here; GET /policies lists those that were")]
    NoSuchVersion(PolicyVersion),
    /// The same call is answered in different ways.
    #[error("the same call is answered in different ways, so that no decision could be made again")]
    NotDeterministic,
    /// Only one replay goes on at a time.
    #[error("another replay goes on; try again when it is done")]
    Rehearsing,
    /// A replay of so much would take too long.
    #[error("more than {most} events since then; choose a later since_ms")]
    TooMuchHappened {
        /// How many are replayed at most.
        most: u32,
    },
    /// A replay took too long.
    #[error("the replay was stopped after {seconds} s; choose a later since_ms, or a policy that is quicker")]
    ReplayTooLong {
        /// After how long.
        seconds: u64,
    },
    /// Each run is admitted by itself.
    #[error(
        "an admission policy decides about each run by itself, and of runs that were refused nothing is kept: POST /policies/admission/shadow follows those to come"
    )]
    NothingToReplay,
    /// What the host would do is replayed, and does not run beside a policy.
    #[error("the host itself cannot be a shadow; replay it")]
    HostIsNoShadow,
    /// The private directory failed.
    #[error("it could not be kept")]
    NotKept(#[source] std::io::Error),
}

impl PolicyTools {
    /// Those in `dir`: files called `policy-NAME.wasm`.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn new(engine: PolicyEngine, dir: Option<&Path>) -> std::io::Result<Self> {
        let built_in = dir.map_or(Ok(BTreeMap::new()), built_in)?;
        Ok(Self { engine, built_in })
    }
}

#[expect(clippy::disallowed_methods, reason = "what ships with the server is no project's")]
fn built_in(dir: &Path) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.and_then(|name| name.strip_prefix("policy-")?.strip_suffix(".wasm")) {
            found.insert(name.to_owned(), path.clone());
        }
    }
    Ok(found)
}

impl ProjectPolicies {
    /// What asks the policies, for the coordinator, and what it tells of those it does not ask any more.
    pub fn decider(&self) -> (PolicyDecider, Receiver<Ejected>) {
        let (sender, ejected) = channel();
        let decider = PolicyDecider::new(Arc::clone(&self.shelf), Arc::clone(&self.records), sender);
        (decider.followed_by(Arc::clone(&self.taps)), ejected)
    }
}

/// Passes on what is told of policies that are not asked any more, until the coordinator ends.
pub fn watch_ejected(coordinator: Coordinator, ejected: Receiver<Ejected>) {
    std::thread::spawn(move || {
        for Ejected { kind, version, reason } in ejected {
            let command = PolicyCommand::Eject { kind, version, reason: reason.into() };
            coordinator.tell(Caller::Server, Command::Policy(command));
        }
    });
}

/// What decides, and how it fares.
///
/// # Errors
/// When the coordinator does not answer, or the private directory fails.
pub async fn find(project: &Project, agent: AgentName) -> Result<Vec<Deciding>, AppError> {
    let policies = in_force(project, Caller::Agent(agent)).await?;
    let mut deciding = Vec::new();
    for kind in PolicyKind::ALL {
        let in_force = policies.in_force(kind).clone();
        let facts = in_force.version.as_ref().map(|version| facts_of(&project.home, version)).transpose()?;
        let record = in_force.version.as_ref().map(|version| project.policies.records.of(version));
        deciding.push(Deciding { kind, in_force, facts, record: record.unwrap_or_default() });
    }
    Ok(deciding)
}

/// A policy that was put in force.
#[derive(Debug, Default)]
pub struct PutInForce {
    /// Its version; none of the host.
    pub version: Option<PolicyVersion>,
    /// What it printed when it was tried on the tasks that wait.
    pub printed: String,
}

/// What a scheduler is tried on, before it decides.
struct Queue {
    waiting: Vec<StoredTask>,
    now: Timestamp,
}

impl Queue {
    /// What the policy printed.
    fn try_on(&self, policy: &mut WarmPolicy) -> Result<String, PolicyError> {
        if self.waiting.is_empty() {
            return Ok(String::new());
        }
        let tasks: Vec<&Task> = self.waiting.iter().map(|stored| &stored.task).collect();
        policy.try_on(&tasks, self.now)
    }
}

/// Puts a policy in force, once it is compiled, set up, tried and kept. Until then, and if any of that fails, what decides
/// goes on.
///
/// # Errors
/// When it is no policy of this kind, refuses its configuration, or the caller may not.
pub async fn set(
    app: &App,
    project: &Arc<Project>,
    by: By,
    kind: PolicyKind,
    wanted: Wanted,
    now: Timestamp,
) -> Result<PutInForce, AppError> {
    let queue = match kind {
        PolicyKind::Scheduler => Queue { waiting: waiting(project).await?, now },
        PolicyKind::Conflict | PolicyKind::Admission => Queue { waiting: Vec::new(), now },
    };
    let put = match wanted {
        Wanted::Host => PutInForce::default(),
        Wanted::Version(version) => load(app, project, kind, version, queue).await?,
        Wanted::BuiltIn(name, config) => {
            let path = built_in_path(app, name)?.to_owned();
            add(app, project, kind, Source::File(path), config, (&by.agent, queue)).await?
        }
        Wanted::Component(bytes, config) => {
            add(app, project, kind, Source::Bytes(bytes), config, (&by.agent, queue)).await?
        }
    };
    let command = PolicyCommand::Set { kind, version: put.version.clone() };
    project.ask_by(by, Command::Policy(command)).await?;
    Ok(put)
}

/// The tasks that have waited longest for somebody to claim them.
async fn waiting(project: &Arc<Project>) -> Result<Vec<StoredTask>, AppError> {
    let filter = TaskFilter { status: Some(TaskStatus::Pending), limit: TRIED_ON, ..TaskFilter::default() };
    project.read(move |reads| reads.tasks(&filter)).await
}

/// Lets decide what did before.
///
/// # Errors
/// When nothing did, or it cannot be loaded any more.
pub async fn roll_back(
    app: &App,
    project: &Arc<Project>,
    by: By,
    kind: PolicyKind,
) -> Result<Option<PolicyVersion>, AppError> {
    let policies = in_force(project, Caller::Agent(by.agent.clone())).await?;
    let to = policies.in_force(kind).before.last().cloned().flatten();
    if let Some(version) = &to {
        load(app, project, kind, version.clone(), Queue { waiting: Vec::new(), now: app.clock.now() })
            .await?;
    }
    project.ask_by(by, Command::Policy(PolicyCommand::RollBack { kind, to: to.clone() })).await?;
    Ok(to)
}

/// Loads the policies in force when a server begins. Until one is, the host decides; if one cannot be, it goes on to.
pub async fn load_in_force(app: Arc<App>, project: Arc<Project>) {
    let policies = match in_force(&project, Caller::Server).await {
        Ok(policies) => policies,
        Err(error) => return tracing::error!(%error, "the policies in force are not known"),
    };
    for kind in PolicyKind::ALL {
        let Some(version) = policies.of(kind).cloned() else { continue };
        // It was tried when it was put in force.
        let queue = Queue { waiting: Vec::new(), now: app.clock.now() };
        match load(&app, &project, kind, version.clone(), queue).await {
            Ok(_) => project.coordinator.tell(Caller::Server, Command::Tick),
            Err(error) => {
                tracing::error!(policy = %version, %kind, %error, "a policy in force could not be loaded");
                let reason = format!("it could not be loaded: {error}").into();
                let command = PolicyCommand::Eject { kind, version, reason };
                project.coordinator.tell(Caller::Server, Command::Policy(command));
            }
        }
    }
}

/// A policy that decides nothing yet, and is not kept; `None` is the host. Blocks while it is compiled and tried.
///
/// # Errors
/// When it is no policy of this kind, or refuses its configuration.
pub(super) fn rehearsed(
    app: &App,
    project: &Project,
    kind: PolicyKind,
    wanted: Wanted,
) -> Result<Option<WarmPolicy>, AppError> {
    let (component, config) = match wanted {
        Wanted::Host => return Ok(None),
        Wanted::BuiltIn(name, config) => {
            (read(built_in_path(app, name)?).map_err(PolicyRefusal::NotKept)?, config)
        }
        Wanted::Component(bytes, config) => (bytes, config),
        Wanted::Version(version) => {
            let facts = facts_of(&project.home, &version)?;
            let kept = project.home.kept(Kept::Component(&facts.component));
            (kept.map_err(PolicyRefusal::NotKept)?, facts.config)
        }
    };
    Ok(Some(set_up(&app.policies.engine, kind, &component, &config)?))
}

fn built_in_path(app: &App, name: String) -> Result<&Path, PolicyRefusal> {
    let built_in = &app.policies.built_in;
    match built_in.get(&name) {
        Some(path) => Ok(path),
        None => Err(PolicyRefusal::NoSuchPolicy { name, known: built_in.keys().cloned().collect() }),
    }
}

pub(super) async fn in_force(project: &Project, caller: Caller) -> Result<Policies, AppError> {
    let reply = project.ask(caller, Command::Policy(PolicyCommand::Find)).await?;
    let Reply::Policies(policies) = reply else { return Err(AppError::Confused) };
    Ok(*policies)
}

enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

/// A version of a component and a configuration, which is kept from now on.
async fn add(
    app: &App,
    project: &Arc<Project>,
    kind: PolicyKind,
    source: Source,
    config: Configured,
    (by, queue): (&AgentName, Queue),
) -> Result<PutInForce, AppError> {
    let (engine, by, project) = (app.policies.engine.clone(), by.clone(), Arc::clone(project));
    let added = tokio::task::spawn_blocking(move || -> Result<PutInForce, PolicyRefusal> {
        let component = match source {
            Source::Bytes(bytes) => bytes,
            Source::File(path) => read(&path).map_err(PolicyRefusal::NotKept)?,
        };
        let mut policy = set_up(&engine, kind, &component, &config)?;
        let printed = queue.try_on(&mut policy)?;
        let description = policy.description();
        let facts = VersionFacts {
            kind,
            name: description.name.clone(),
            code_version: description.version.clone(),
            summary: description.summary.clone(),
            component: blake3::hash(&component).to_hex().to_string(),
            config,
            added_at_ms: queue.now,
            added_by: Some(by),
        };
        let json = serde_json::to_vec(&facts).map_err(|error| PolicyRefusal::NotKept(error.into()))?;
        let home = &project.home;
        home.keep(Kept::Component(&facts.component), &component).map_err(PolicyRefusal::NotKept)?;
        home.keep(Kept::Version(policy.version().as_str()), &json).map_err(PolicyRefusal::NotKept)?;
        let version = Some(policy.version().clone());
        project.policies.shelf.put(policy);
        Ok(PutInForce { version, printed })
    });
    Ok(added.await.map_err(|_| AppError::CutOff)??)
}

/// A version that is kept, loaded.
async fn load(
    app: &App,
    project: &Arc<Project>,
    kind: PolicyKind,
    version: PolicyVersion,
    queue: Queue,
) -> Result<PutInForce, AppError> {
    let (engine, project) = (app.policies.engine.clone(), Arc::clone(project));
    let loaded = tokio::task::spawn_blocking(move || -> Result<PutInForce, AppError> {
        let facts = facts_of(&project.home, &version)?;
        let component =
            project.home.kept(Kept::Component(&facts.component)).map_err(PolicyRefusal::NotKept)?;
        let mut policy = set_up(&engine, kind, &component, &facts.config)?;
        if *policy.version() != version {
            return Err(PolicyRefusal::NoSuchVersion(version).into());
        }
        let printed = queue.try_on(&mut policy).map_err(PolicyRefusal::from)?;
        project.policies.shelf.put(policy);
        Ok(PutInForce { version: Some(version), printed })
    });
    loaded.await.map_err(|_| AppError::CutOff)?
}

fn set_up(
    engine: &PolicyEngine,
    kind: PolicyKind,
    component: &[u8],
    config: &Configured,
) -> Result<WarmPolicy, PolicyRefusal> {
    let code = engine.load(component)?.with_fuel(config.fuel_ms);
    let policy = WarmPolicy::new(code, &config.json.to_string())?;
    let is = policy.code().world().kind();
    if is != kind {
        return Err(PolicyRefusal::WrongKind { name: policy.description().name.clone(), is });
    }
    if policy.differs_from_itself()? { Err(PolicyRefusal::NotDeterministic) } else { Ok(policy) }
}

fn facts_of(home: &Home, version: &PolicyVersion) -> Result<VersionFacts, AppError> {
    let unknown = |_| PolicyRefusal::NoSuchVersion(version.clone());
    let json = home.kept(Kept::Version(version.as_str())).map_err(unknown)?;
    Ok(serde_json::from_slice(&json).map_err(|_| PolicyRefusal::NoSuchVersion(version.clone()))?)
}

#[expect(clippy::disallowed_methods, reason = "what ships with the server is no project's")]
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}
