//! Projects, and the process that serves them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use longhouse_core::{
    Agent, AgentName, Caller, Command, CommitGate, Effect, FileGrants, Keyed, PolicyKind, ProjectName,
    QueueCommand, Reply, RunId, Session, Timestamp,
};
use longhouse_engine::Engine;
use longhouse_store::{Clock, Coordinator, LockError, OpenOptions, ProjectLock, Reads, StoreError};
use longhouse_workspace::{Audit, Auditor, CommitError, Root, View, Workspace, WorkspaceError};
use tokio::sync::Semaphore;

use super::checks::{Check, Checks};
use super::policies::{PolicyTools, ProjectPolicies, watch_ejected};
use super::presence::Presence;
use super::publish::Kept;
use super::rehearsal::Shadow;
use super::{AppError, LiveRuns};
use crate::config::{self, ConfigError, Webhook};
use crate::home::Home;

/// Everything a server has. Handlers share it.
pub struct App {
    /// Runs guests, for all projects.
    pub engine: Engine,
    /// Runs policies.
    pub policies: PolicyTools,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// By name.
    pub projects: BTreeMap<ProjectName, Arc<Project>>,
}

/// A directory under Longhouse's care.
pub struct Project {
    /// What it is called.
    pub name: ProjectName,
    /// Its private directory.
    pub home: Home,
    /// Its files, and the door to them.
    pub workspace: Arc<Workspace>,
    /// The owner of its coordination state.
    pub coordinator: Coordinator,
    /// Its runs that have begun and not ended.
    pub live: Arc<LiveRuns>,
    /// Its checks that wait to be carried out.
    pub checks: Checks,
    /// Whom to tell of what happens.
    pub webhooks: Vec<Webhook>,
    /// How long what commits replaced and removed is kept.
    pub keep_history: Duration,
    /// The policies that are loaded.
    pub policies: ProjectPolicies,
    /// One replay goes on at a time.
    pub(super) rehearsing: Arc<Semaphore>,
    /// Policies that run beside those in force.
    pub(super) shadows: tokio::sync::Mutex<BTreeMap<PolicyKind, Shadow>>,
    /// Changes that were not published, of runs that ended.
    pub kept: Kept,
    /// What was refused and is not written down yet.
    pub(super) audit: Arc<Audit>,
    presence: Presence,
    _lock: ProjectLock,
}

/// Which agent asks, and under which key if the request is to have its effect once.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub agent: AgentName,
    /// The key, and what was asked under it.
    pub keyed: Option<Keyed>,
}

/// Why a project cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its directory cannot be used.
    #[error("cannot serve the directory")]
    Workspace(#[from] WorkspaceError),
    /// What was left unfinished of its changes cannot be brought to an end.
    #[error("cannot finish the changes to files that were left unfinished")]
    Commits(#[from] CommitError),
    /// Its database cannot be used.
    #[error("cannot open the database")]
    Store(#[from] StoreError),
    /// Its directory's name is no project name.
    #[error("{0:?} cannot be a project's name; say `project = \"…\"` in .longhouse/longhouse.toml")]
    Name(String),
}

impl Project {
    /// Opens a project that was initialised, and begins to coordinate it.
    ///
    /// # Errors
    /// When another process has it, or one of its parts cannot be used.
    pub fn open(home: Home, clock: &Arc<dyn Clock>) -> Result<Self, OpenError> {
        let lock = ProjectLock::take(home.dir())?;
        let config = read_config(&home)?;
        let name = match config.name {
            Some(name) => name,
            None => name_of(&home)?,
        };
        let root = Arc::new(Root::open(home.project())?);
        let live = Arc::new(LiveRuns::default());
        let opened = Arc::new(OnceLock::<Weak<Workspace>>::new());
        let (due, checks) = Checks::new();
        let effects = {
            let (live, opened) = (Arc::clone(&live), Arc::clone(&opened));
            Box::new(move |effect| match effect {
                Effect::KillRun { run, reason } => live.kill(run, &reason),
                Effect::Check { hold, argv, creator } => {
                    // Fails only when the server is ending: the check is due again when it begins.
                    let _ = due.send(Check { hold, argv, creator });
                }
                Effect::RecoverCommits => recover(&opened),
            })
        };
        let policies = ProjectPolicies::default();
        let (decider, ejected) = policies.decider();
        let coordinator = Coordinator::open(OpenOptions {
            database: home.database(),
            profiles: config.profiles,
            clock: Arc::clone(clock),
            decide: Box::new(decider),
            effects,
        })?;
        watch_ejected(coordinator.clone(), ejected);
        let workspace = open_workspace(root, &coordinator)?;
        // Set once, just here.
        let _ = opened.set(Arc::downgrade(&workspace));
        let (presence, kept, audit, shadows) = Default::default();
        Ok(Self {
            name,
            home,
            workspace,
            coordinator,
            live,
            checks,
            webhooks: config.webhooks,
            keep_history: config.keep_history,
            policies,
            rehearsing: Arc::new(Semaphore::new(1)),
            shadows,
            kept,
            audit,
            presence,
            _lock: lock,
        })
    }

    /// The files as this agent sees them.
    pub fn view_of(&self, agent: &Agent) -> View {
        self.view(self.coordinator.directory().files_of(agent), &agent.name, None)
    }

    /// The files as far as these grants reach, for this agent, in this run of its.
    pub fn view(&self, grants: Arc<FileGrants>, agent: &AgentName, run: Option<RunId>) -> View {
        let auditor = Auditor { audit: Arc::clone(&self.audit), agent: agent.clone(), run };
        View::new(Arc::clone(self.workspace.root()), grants).audited(auditor)
    }

    /// Asks the coordinator, and takes its refusal for an error.
    ///
    /// # Errors
    /// What it refused with, or that it did not answer.
    pub async fn ask(&self, caller: Caller, command: Command) -> Result<Reply, AppError> {
        let agent = match &caller {
            Caller::Agent(agent) => Some(agent.clone()),
            Caller::Operator | Caller::Server => None,
        };
        let reply = self.coordinator.submit(caller, command).await?;
        self.accepted(agent, reply)
    }

    /// As [`Project::ask`], for an agent's request that may have a key.
    ///
    /// # Errors
    /// As [`Project::ask`].
    pub async fn ask_by(&self, by: By, command: Command) -> Result<Reply, AppError> {
        let By { agent, keyed } = by;
        let caller = Caller::Agent(agent.clone());
        let reply = self.coordinator.submit_keyed(caller, command, keyed).await?;
        self.accepted(Some(agent), reply)
    }

    fn accepted(&self, agent: Option<AgentName>, reply: Reply) -> Result<Reply, AppError> {
        let Reply::Refused(refusal) = reply else { return Ok(reply) };
        if let (Some(agent), Some((act, rule, named))) = (agent, refusal.denies()) {
            self.refused(agent, act, rule, named);
        }
        Err(refusal.into())
    }

    /// Waits until the database has everything that was told before, such as that a commit which was answered is published.
    ///
    /// # Errors
    /// When the coordinator does not answer.
    pub async fn settled(&self) -> Result<(), AppError> {
        // Whatever only looks is answered when all that came before it is durable.
        self.ask(Caller::Server, Command::Queue(QueueCommand::Find)).await.map(drop)
    }

    /// Reads the database where blocking is allowed.
    ///
    /// # Errors
    /// When that fails.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Reads) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, AppError> {
        Ok(self.coordinator.read(read).await?)
    }

    /// An agent showed up, in this session of its client if it names one: what it holds, it keeps.
    pub fn touch(&self, agent: &AgentName, session: Option<&Session>, now: Timestamp) {
        if self.presence.is_news(agent, session, now) {
            self.coordinator.tell(Caller::Server, Command::Touch(agent.clone(), session.cloned()));
        }
    }

    /// Reads the configuration again and puts its profiles in force.
    ///
    /// # Errors
    /// When it has a mistake: everything stays as it was.
    pub async fn reload(&self) -> Result<(), OpenError> {
        let config = read_config(&self.home)?;
        if let Err(error) = self.ask(Caller::Operator, Command::SetProfiles(config.profiles)).await {
            tracing::error!(error = %error, "the profiles were not replaced");
        }
        Ok(())
    }

    /// Waits until nothing will happen here any more.
    pub async fn closed(&self) {
        let mut last = self.coordinator.last_event();
        while last.changed().await.is_ok() {}
    }

    /// Waits until all runs have ended, stops those that have not within `patience`, and closes the database.
    pub async fn close(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.live.none_left()).await.is_err() {
            self.checks.stop();
            self.live.kill_all("the server stopped");
            self.live.none_left().await;
        }
        self.write_down_denials();
        let coordinator = self.coordinator.clone();
        if tokio::task::spawn_blocking(move || coordinator.close()).await.is_err() {
            tracing::error!("closing the database was cut off");
        }
    }
}

/// Opens the door to the files. On a thread of its own: the coordinator is waited for.
fn open_workspace(root: Arc<Root>, coordinator: &Coordinator) -> Result<Arc<Workspace>, OpenError> {
    let gate: Arc<dyn CommitGate + Send + Sync> = Arc::new(coordinator.clone());
    let opened = std::thread::scope(|scope| scope.spawn(|| Workspace::open(root, gate)).join());
    let workspace = opened.map_err(|_| OpenError::Workspace(WorkspaceError::Unstable))??;
    Ok(Arc::new(workspace))
}

/// The coordinator began again from its database. At the very start the door does it as it opens.
fn recover(opened: &OnceLock<Weak<Workspace>>) {
    let Some(workspace) = opened.get().and_then(Weak::upgrade) else { return };
    std::thread::spawn(move || {
        if let Err(error) = workspace.recover() {
            tracing::error!(%error, "changes to files were left unfinished, and still are");
        }
    });
}

/// The configuration of the project.
///
/// # Errors
/// When it cannot be read, or has a mistake.
pub fn read_config(home: &Home) -> Result<config::ProjectConfig, ConfigError> {
    let path = home.config();
    match home.read_config() {
        Ok(text) => config::parse(&text, &path),
        Err(source) => Err(ConfigError::Io { path, source }),
    }
}

/// The directory's name as a project's: in lower case, and `-` for what a name cannot have.
fn name_of(home: &Home) -> Result<ProjectName, OpenError> {
    let name = home.project().file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    name.trim_start_matches(['.', '_', '-']).parse().map_err(|_| OpenError::Name(name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directorys_name_becomes_a_projects() {
        for (directory, expected) in [("Shop App", "shop-app"), ("api", "api"), (".hidden", "hidden")] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(directory);
            std::fs::create_dir(&path).unwrap();
            assert_eq!(name_of(&Home::of(&path).unwrap()).unwrap().as_str(), expected);
        }
    }
}
