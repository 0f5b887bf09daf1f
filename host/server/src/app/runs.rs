//! Running commands.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use longhouse_core::{
    Access, Agent, AgentName, Caller, Chunk, Command, Consumption, Fence, FileGrants, Isolation, Limits,
    LimitsRequest, LockId, Outcome, Output, ProjectPath, Publication, Publish, Reply, RunId, RunRecord,
    RunRequest, RunStatus, StartedRun, Under,
};
use longhouse_engine::{CommandRef, Engine, EngineError, RunHandle, RunSpec};
use longhouse_store::{Clock, RunFilter};
use longhouse_workspace::{ChangeSet, Follow, Quota};
use tokio::sync::oneshot;

use super::live::LiveRun;
use super::publish::{self, Draft};
use super::{App, AppError, Phase, Project};

/// What is to be run, and how long its caller waits for it.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The command and its arguments; not empty.
    pub argv: Vec<String>,
    /// Where it starts.
    pub cwd: ProjectPath,
    /// Environment variables, over those of the profile.
    pub env: Vec<(String, String)>,
    /// Its standard input, if there is any.
    pub stdin: Option<Bytes>,
    /// A wall-clock limit below the profile's.
    pub timeout: Option<Duration>,
    /// How long to wait before the run becomes a job.
    pub wait: Duration,
    /// The lease it works under.
    pub under: Under,
    /// Which files it may touch, of those that its profile grants; all of them if `None`.
    pub narrow: Option<Arc<FileGrants>>,
    /// What it may change, below its profile.
    pub access: Access,
    /// When its changes are published.
    pub publish: Publish,
    /// What of what it saw must still be so then.
    pub isolation: Isolation,
    /// Locks that must be in force then, and the agent's.
    pub locks: Vec<(LockId, Fence)>,
}

/// The command that runs a command line.
pub fn command_line(line: String) -> Vec<String> {
    vec!["bash".to_owned(), "-c".to_owned(), line]
}

/// A run as it is told of.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Its record so far.
    pub record: Arc<RunRecord>,
    /// Whether its command, its output and what it changed are left out: they may tell of files that the reader may not read.
    pub is_hidden: bool,
}

impl RunView {
    /// All of it, for the one who runs it.
    fn whole(record: Arc<RunRecord>) -> Self {
        Self { record, is_hidden: false }
    }

    /// What `agent` may know of it.
    fn of(project: &Project, agent: &Agent, record: Arc<RunRecord>) -> Self {
        if project.coordinator.directory().may_see_into_runs_of(agent, &record.agent) {
            return Self::whole(record);
        }
        let output = Output { truncated: record.output.truncated, ..Output::default() };
        let record = RunRecord { argv: Vec::new(), output, changes: None, ..RunRecord::clone(&record) };
        Self { record: Arc::new(record), is_hidden: true }
    }
}

/// Runs a command for `agent`. Answers with its end, or with a job if it takes longer than `new.wait`.
///
/// # Errors
/// Before anything starts: no such command or directory, or a refusal. Afterwards only when the engine fails.
pub async fn start(
    app: &App,
    project: &Arc<Project>,
    agent: &Agent,
    new: NewRun,
) -> Result<RunView, AppError> {
    let command = new.argv.first().map(String::as_str).unwrap_or_default();
    let unknown =
        || AppError::UnknownCommand { command: command.to_owned(), nearest: app.engine.nearest(command) };
    let command = app.engine.find(command).ok_or_else(unknown)?;
    check_directory(project, agent, &new.cwd)?;
    let execution = Execution {
        engine: app.engine.clone(),
        clock: Arc::clone(&app.clock),
        project: Arc::clone(project),
        agent: agent.name.clone(),
    };
    let wait = new.wait;
    let (admitted, admission) = oneshot::channel();
    // A task of its own from the first question on: whoever asked may go away at any moment, and what was
    // admitted must run and end.
    tokio::spawn(execution.carry_out(command, new, admitted));
    let Admitted { live, record } = admission.await.map_err(|_| AppError::CutOff)??;
    match wait_for(&live, wait).await? {
        Some(ended) => Ok(RunView::whole(ended)),
        None => {
            project.ask(Caller::Server, Command::BecomeJob(record.id)).await?;
            Ok(RunView::whole(record))
        }
    }
}

/// The run `id`, after waiting up to `wait` for its end.
///
/// # Errors
/// [`AppError::UnknownRun`] if there is none that `agent` may see.
pub async fn find(
    project: &Arc<Project>,
    agent: &Agent,
    id: RunId,
    wait: Duration,
) -> Result<RunView, AppError> {
    if let Some(live) = visible(project, agent, id)
        && let Some(ended) = wait_for(&live, wait).await?
    {
        return Ok(RunView::of(project, agent, ended));
    }
    // The answer comes after whatever ended before was committed.
    let reply = project.ask(Caller::Agent(agent.name.clone()), Command::FindRun(id)).await?;
    if let Reply::RunIsNotLive(id) = reply {
        return stored(project, agent, id).await;
    }
    let Reply::RunIsLive(run) = reply else { return Err(AppError::Confused) };
    let record = RunRecord {
        id,
        agent: run.agent,
        argv: run.argv,
        cwd: run.cwd,
        started_at: run.started_at,
        status: RunStatus::Running,
        output: Output::default(),
        changes: None,
    };
    Ok(RunView::of(project, agent, Arc::new(record)))
}

/// What the run `id` wrote from byte `after` on, and the cursor to go on from; waits up to `wait` for more.
///
/// # Errors
/// As [`find`].
pub async fn output(
    project: &Arc<Project>,
    agent: &Agent,
    id: RunId,
    after: u64,
    wait: Duration,
) -> Result<(Vec<Chunk>, u64, RunView), AppError> {
    /// About so many bytes in one answer.
    const PAGE: u64 = 1 << 20;
    if let Some(live) = visible(project, agent, id) {
        let grown = async {
            if let Phase::Running(handle) = live.begun().await {
                handle.output().grown_past(after).await;
            }
        };
        // Nothing new within that time is an answer too.
        let _ = tokio::time::timeout(wait, grown).await;
        if let Phase::Running(handle) = live.phase() {
            let (chunks, next) = handle.output().read(after, PAGE);
            let run = find(project, agent, id, Duration::ZERO).await?;
            return Ok(if run.is_hidden { (Vec::new(), after, run) } else { (chunks, next, run) });
        }
    }
    let run = find(project, agent, id, Duration::ZERO).await?;
    let (chunks, next) = run.record.output.from(after, PAGE);
    Ok((chunks, next, run))
}

/// Asks the run `id` to stop. Returns when that is on its way, not when it has ended.
///
/// # Errors
/// A refusal, if it is not live or not the caller's to stop.
pub async fn kill(project: &Project, agent: &Agent, id: RunId) -> Result<(), AppError> {
    project.ask(Caller::Agent(agent.name.clone()), Command::KillRun(id)).await.map(drop)
}

/// Runs that `agent` may see, the newest first: those that are live, then those with a record.
///
/// # Errors
/// When the database fails.
pub async fn list(
    project: &Arc<Project>,
    agent: &Agent,
    before: Option<RunId>,
    limit: u32,
) -> Result<Vec<RunView>, AppError> {
    let mut runs = Vec::new();
    if before.is_none() {
        for (id, live) in project.live.all() {
            if agent.may_see_runs_of(&live.agent) {
                runs.push(find(project, agent, id, Duration::ZERO).await?);
            }
        }
    }
    let own = (!agent.may_see_all_runs()).then(|| agent.name.clone());
    let filter = RunFilter { agent: own, before, limit };
    let stored = project.read(move |reads| reads.runs(&filter)).await?;
    let live: Vec<RunId> = runs.iter().map(|run| run.record.id).collect();
    let stored = stored.into_iter().filter(|run| !live.contains(&run.id));
    runs.extend(stored.map(|run| RunView::of(project, agent, Arc::new(run))));
    runs.sort_by_key(|run| std::cmp::Reverse(run.record.id));
    runs.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(runs)
}

/// What it takes to run something, whoever waits for it.
struct Execution {
    engine: Engine,
    clock: Arc<dyn Clock>,
    project: Arc<Project>,
    agent: AgentName,
}

/// A run that may begin.
struct Admitted {
    live: Arc<LiveRun>,
    /// Its record, as of now.
    record: Arc<RunRecord>,
}

impl Execution {
    /// Asks for admission, tells whether it was given, and if so runs to the end.
    async fn carry_out(
        self,
        command: CommandRef,
        new: NewRun,
        told: oneshot::Sender<Result<Admitted, AppError>>,
    ) {
        let started = match self.ask(&new).await {
            Ok(started) => started,
            Err(error) => {
                // Nobody may be there any more to hear it.
                let _ = told.send(Err(error));
                return;
            }
        };
        let live = self.project.live.add(started.id, started.agent.clone());
        let record = Arc::new(begun(&started, &new));
        let _ = told.send(Ok(Admitted { live: Arc::clone(&live), record: Arc::clone(&record) }));
        let draft = draft(&self.project, &started, &new);
        let set = draft.as_ref().map(|draft| &draft.set);
        let phase = match self.engine.start(spec(&self.project, command, started, new, set)).await {
            Ok(handle) => self.follow(&live, &record, &handle, draft).await,
            Err(error) => self.fail(&record, error),
        };
        // Its row is on its way: whoever finds it no longer live asks the coordinator, and is answered after it.
        live.end(phase);
        self.project.live.remove(record.id);
    }

    async fn ask(&self, new: &NewRun) -> Result<StartedRun, AppError> {
        let limits = LimitsRequest { wall: new.timeout, ..LimitsRequest::default() };
        let request = RunRequest {
            argv: new.argv.clone(),
            cwd: new.cwd.clone(),
            limits,
            narrow: new.narrow.clone(),
            under: new.under,
        };
        let caller = Caller::Agent(self.agent.clone());
        let reply = self.project.ask(caller, Command::StartRun(request)).await?;
        let Reply::RunStarted(started) = reply else { return Err(AppError::Confused) };
        Ok(*started)
    }

    async fn follow(
        &self,
        live: &LiveRun,
        record: &RunRecord,
        handle: &RunHandle,
        draft: Option<Draft>,
    ) -> Phase {
        live.began(handle);
        let finished = handle.finished().await;
        let (mut outcome, output) = (finished.outcome.clone(), finished.output.clone());
        let mut changes = None;
        if let Some(draft) = draft {
            let (ended, publication) = publish::end(&self.project, draft, outcome, self.clock.now()).await;
            (outcome, changes) = (ended, Some(publication));
        }
        Phase::Ended(self.end(record, outcome, finished.consumption, output, changes))
    }

    fn fail(&self, record: &RunRecord, error: EngineError) -> Phase {
        let outcome = Outcome::Killed(format!("it could not be started: {error}"));
        self.end(record, outcome, Consumption::default(), Output::default(), None);
        Phase::Failed(Arc::new(error))
    }

    /// Completes the record and tells the coordinator.
    fn end(
        &self,
        record: &RunRecord,
        outcome: Outcome,
        consumption: Consumption,
        output: Output,
        changes: Option<Publication>,
    ) -> Arc<RunRecord> {
        let status = RunStatus::Ended { outcome, consumption, at: self.clock.now() };
        let record = RunRecord { status, output, changes, ..record.clone() };
        self.project.coordinator.tell(Caller::Server, Command::EndRun(Box::new(record.clone())));
        Arc::new(record)
    }
}

fn begun(started: &StartedRun, new: &NewRun) -> RunRecord {
    RunRecord {
        id: started.id,
        agent: started.agent.clone(),
        argv: new.argv.clone(),
        cwd: new.cwd.clone(),
        started_at: started.started_at,
        status: RunStatus::Running,
        output: Output::default(),
        changes: None,
    }
}

/// Where the changes of a run go that may make some.
fn draft(project: &Project, started: &StartedRun, new: &NewRun) -> Option<Draft> {
    match (started.access, new.access) {
        (Access::ReadWrite, Access::ReadWrite) => {}
        (Access::ReadOnly, _) | (_, Access::ReadOnly) => return None,
    }
    let quota = quota(&started.limits);
    let reader = project.workspace.reader(&started.agent);
    Some(Draft {
        run: started.id,
        agent: started.agent.clone(),
        hold: started.hold,
        locks: new.locks.clone(),
        narrow: new.narrow.clone(),
        publish: new.publish,
        set: Arc::new(project.workspace.change_set(started.id.to_string(), quota, &reader, new.isolation)),
    })
}

/// How much a run may stage, and as much again for itself.
const fn quota(limits: &Limits) -> Quota {
    Quota { bytes: limits.staged, entries: limits.files }
}

fn spec(
    project: &Project,
    command: CommandRef,
    started: StartedRun,
    new: NewRun,
    changes: Option<&Arc<ChangeSet>>,
) -> RunSpec {
    let mut env: Vec<_> =
        started.env.into_iter().filter(|(name, _)| !new.env.iter().any(|(own, _)| own == name)).collect();
    env.extend(new.env);
    let view = project.view(started.files, &started.agent, Some(started.id));
    let scratch = project.workspace.scratch(started.id.to_string(), quota(&started.limits));
    RunSpec {
        command,
        argv: new.argv,
        env,
        cwd: new.cwd,
        stdin: new.stdin,
        commands: started.commands,
        limits: started.limits,
        view: match changes {
            Some(changes) => view.with(Arc::clone(changes)),
            None => view,
        },
        scratch: Some(scratch),
    }
}

fn check_directory(project: &Project, agent: &Agent, cwd: &ProjectPath) -> Result<(), AppError> {
    if cwd.is_root() {
        return Ok(());
    }
    match project.view_of(agent).stat(cwd, Follow::Last) {
        Ok(stat) if stat.is_directory() => Ok(()),
        Ok(_) | Err(_) => Err(AppError::NoSuchDirectory(cwd.clone())),
    }
}

fn visible(project: &Project, agent: &Agent, id: RunId) -> Option<Arc<LiveRun>> {
    project.live.get(id).filter(|run| agent.may_see_runs_of(&run.agent))
}

async fn stored(project: &Arc<Project>, agent: &Agent, id: RunId) -> Result<RunView, AppError> {
    let record = project.read(move |reads| reads.run(id)).await?;
    match record.filter(|record| agent.may_see_runs_of(&record.agent)) {
        Some(record) => Ok(RunView::of(project, agent, Arc::new(record))),
        None => Err(AppError::UnknownRun(id)),
    }
}

/// A run's end, if it comes within `wait`.
async fn wait_for(live: &LiveRun, wait: Duration) -> Result<Option<Arc<RunRecord>>, AppError> {
    match tokio::time::timeout(wait, live.ended()).await {
        Ok(Phase::Ended(record)) => Ok(Some(record)),
        Ok(Phase::Failed(error)) => Err(AppError::NotStarted(error)),
        Ok(Phase::Waiting | Phase::Cancelled(_) | Phase::Running(_)) => Err(AppError::Confused),
        Err(_) => Ok(None),
    }
}
