//! What becomes of the changes that runs make.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use longhouse_core::{
    Agent, AgentName, Authorship, Fate, Fence, FileGrants, Hold, LockId, Outcome, PathConflict, ProjectPath,
    Publication, Publish, RunId, Timestamp, Under, Verb,
};
use longhouse_store::CommitFilter;
use longhouse_workspace::{ChangeSet, CommitError, Conflict, Drafted, Rebased, View};

use super::{AppError, Project, outside};

/// How long a run waits for others who change the same paths.
const PATIENCE_MS: u64 = 10_000;

/// How long changes that were not published are kept: 24 h.
const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// Of how many runs of one agent; then the oldest go.
const KEPT: usize = 16;

/// A run's changes, and what they stand on.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) run: RunId,
    pub(super) agent: AgentName,
    pub(super) hold: Option<Hold>,
    pub(super) locks: Vec<(LockId, Fence)>,
    /// Which files it may touch, of those that its agent's profile grants then.
    pub(super) narrow: Option<Arc<FileGrants>>,
    pub(super) publish: Publish,
    pub(super) set: Arc<ChangeSet>,
}

/// Changes that were not published, of runs that ended.
#[derive(Debug, Default)]
pub struct Kept(Mutex<BTreeMap<RunId, (Arc<Draft>, Timestamp)>>);

impl Kept {
    fn keep(&self, draft: Arc<Draft>, now: Timestamp) {
        let mut kept = self.lock();
        kept.retain(|_, (_, until)| *until > now);
        let own: Vec<RunId> =
            kept.iter().filter(|(_, (kept, _))| kept.agent == draft.agent).map(|(run, _)| *run).collect();
        for run in own.iter().rev().skip(KEPT - 1) {
            kept.remove(run);
        }
        kept.insert(draft.run, (draft, now.plus_millis(KEPT_MS)));
    }

    /// What is kept of this run, if it is this agent's.
    fn find(&self, run: RunId, agent: &AgentName, now: Timestamp) -> Option<Arc<Draft>> {
        let kept = self.lock();
        let (draft, until) = kept.get(&run)?;
        (*until > now && draft.agent == *agent).then(|| Arc::clone(draft))
    }

    /// Takes out what is kept of this run, if it is this agent's.
    fn take(&self, run: RunId, agent: &AgentName, now: Timestamp) -> Option<(Arc<Draft>, Timestamp)> {
        let mut kept = self.lock();
        kept.get(&run).filter(|(draft, until)| *until > now && draft.agent == *agent)?;
        kept.remove(&run)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, (Arc<Draft>, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A run ended: what becomes of its outcome, and of its changes.
pub(super) async fn end(
    project: &Arc<Project>,
    draft: Draft,
    outcome: Outcome,
    now: Timestamp,
) -> (Outcome, Publication) {
    draft.set.tell_reader();
    if draft.set.is_empty() {
        return (outcome, Publication::new(Fate::Nothing, Vec::new(), Vec::new()));
    }
    let draft = Arc::new(draft);
    let publishes = match (&outcome, draft.publish) {
        (Outcome::Exited(_), Publish::OnExit) | (Outcome::Exited(0), Publish::OnSuccess) => true,
        (Outcome::Exited(_), Publish::Never) => {
            let publication = told(project, &draft, Fate::DryRun).await;
            project.kept.keep(draft, now);
            return (outcome, publication);
        }
        (
            Outcome::Exited(_)
            | Outcome::Trapped(_)
            | Outcome::TimedOut
            | Outcome::OutOfMemory
            | Outcome::Killed(_)
            | Outcome::Denied(_),
            Publish::OnExit | Publish::OnSuccess | Publish::Never,
        ) => false,
    };
    if !publishes {
        return (outcome, told(project, &draft, Fate::Dropped).await);
    }
    let under = draft.hold.map_or(Under::NoLease, Under::Lease);
    let locks = draft.locks.clone();
    match publish(project, &draft, under, locks, now).await {
        Ok(fate) => (outcome, told(project, &draft, fate).await),
        Err(error) => {
            let fate = refused(project, &error).await;
            let outcome = match &fate {
                Fate::Refused { detail, .. } => {
                    project.kept.keep(Arc::clone(&draft), now);
                    Outcome::Denied(detail.clone())
                }
                Fate::Unknown | Fate::Nothing | Fate::Committed { .. } | Fate::DryRun | Fate::Dropped => {
                    outcome
                }
            };
            (outcome, told(project, &draft, fate).await)
        }
    }
}

/// Publishes the kept changes of a run, under what its agent holds now. They are kept on if that is refused.
///
/// # Errors
/// [`AppError::NothingKept`], or why they were not published.
pub async fn commit(
    project: &Arc<Project>,
    agent: &Agent,
    run: RunId,
    (under, locks): (Under, Vec<(LockId, Fence)>),
    now: Timestamp,
) -> Result<Publication, AppError> {
    let kept = project.kept.take(run, &agent.name, now);
    let (draft, until) = kept.ok_or(AppError::NothingKept(run))?;
    let project = Arc::clone(project);
    // A task of its own: whoever asked may go away, and what is refused has to be kept on.
    let done = tokio::spawn(async move {
        match publish(&project, &draft, under, locks, now).await {
            Ok(fate) => Ok(told(&project, &draft, fate).await),
            Err(AppError::Commit(error)) if error.may_be_done() => Err(error.into()),
            Err(error) => {
                project.kept.lock().insert(run, (draft, until));
                match error {
                    AppError::Commit(CommitError::Conflicts { conflicts }) => {
                        Err(AppError::Overtaken(explain_all(&project, &conflicts).await))
                    }
                    error => Err(error),
                }
            }
        }
    });
    done.await.map_err(|_| AppError::CutOff)?
}

/// Merges the kept changes of a run with what others changed since, all of them or none. Returns which files were merged.
///
/// # Errors
/// [`AppError::NothingKept`], [`AppError::NotMergeable`] or why that cannot be done.
pub async fn rebase(
    project: &Arc<Project>,
    agent: &Agent,
    run: RunId,
    now: Timestamp,
) -> Result<Vec<ProjectPath>, AppError> {
    project.settled().await?;
    let kept = project.kept.take(run, &agent.name, now);
    let (draft, until) = kept.ok_or(AppError::NothingKept(run))?;
    let project = Arc::clone(project);
    // A task of its own: whoever asked may go away, and what is merged or not has to be kept on.
    let done = tokio::spawn(async move {
        let rebased = merge(&project, &draft).await;
        project.kept.lock().insert(run, (draft, until));
        match rebased? {
            Rebased::Merged(paths) => Ok(paths),
            Rebased::Stuck(conflicts) => Err(AppError::NotMergeable(explain_all(&project, &conflicts).await)),
        }
    });
    done.await.map_err(|_| AppError::CutOff)?
}

async fn merge(project: &Arc<Project>, draft: &Arc<Draft>) -> Result<Rebased, AppError> {
    /// How far back is looked for what the run saw.
    const VERSIONS: u32 = 64;
    let view = present_view(project, draft);
    let (source, draft) = (Arc::clone(project), Arc::clone(draft));
    let merged = tokio::task::spawn_blocking(move || {
        let kept =
            |path: &ProjectPath| source.coordinator.reads().kept(path, None, VERSIONS).unwrap_or_default();
        let rebased = source.workspace.rebase(&view, &draft.set, kept)?;
        Ok::<_, CommitError>(match rebased {
            Rebased::Stuck(conflicts) => Rebased::Stuck(readable(&view, conflicts)),
            merged @ Rebased::Merged(_) => merged,
        })
    });
    Ok(merged.await.map_err(|_| AppError::CutOff)??)
}

/// Drops the kept changes of a run.
///
/// # Errors
/// [`AppError::NothingKept`].
pub fn discard(project: &Project, agent: &Agent, run: RunId, now: Timestamp) -> Result<(), AppError> {
    project.kept.take(run, &agent.name, now).map(drop).ok_or(AppError::NothingKept(run))
}

/// What the kept changes of a run would change, as the project is now: the first of them, and how many there are.
///
/// # Errors
/// [`AppError::NothingKept`], or that the disk fails.
pub async fn differences(
    project: &Arc<Project>,
    agent: &Agent,
    run: RunId,
    now: Timestamp,
) -> Result<(Vec<Drafted>, usize), AppError> {
    let draft = project.kept.find(run, &agent.name, now).ok_or(AppError::NothingKept(run))?;
    let (workspace, view) = (Arc::clone(&project.workspace), project.view_of(agent));
    let drafted =
        tokio::task::spawn_blocking(move || workspace.drafted(&view, &draft.set, Publication::MOST_PATHS));
    let drafted = drafted.await.map_err(|_| AppError::CutOff)?;
    drafted.map_err(|source| AppError::Path { path: ProjectPath::root(), source })
}

async fn publish(
    project: &Arc<Project>,
    draft: &Arc<Draft>,
    under: Under,
    locks: Vec<(LockId, Fence)>,
    now: Timestamp,
) -> Result<Fate, AppError> {
    let author = Authorship { agent: draft.agent.clone(), under, run: Some(draft.run), locks, keyed: None };
    let view = present_view(project, draft);
    let (workspace, set) = (Arc::clone(&project.workspace), Arc::clone(&draft.set));
    let until = Some(now.plus_millis(PATIENCE_MS));
    let published = tokio::task::spawn_blocking(move || {
        workspace.publish(&view, author, &set, until).map_err(|error| as_seen(&view, error))
    });
    let committed = published.await.map_err(|_| AppError::CutOff)??;
    Ok(committed.number.map_or(Fate::Nothing, |commit| Fate::Committed { commit }))
}

fn as_seen(view: &View, error: CommitError) -> CommitError {
    match error {
        CommitError::Conflicts { conflicts } => {
            CommitError::Conflicts { conflicts: readable(view, conflicts) }
        }
        other => other,
    }
}

/// Who may not read a path does not learn what lies there.
fn readable(view: &View, mut conflicts: Vec<Conflict>) -> Vec<Conflict> {
    for conflict in &mut conflicts {
        conflict.current = conflict.current.filter(|_| view.grants(Verb::Read, &conflict.path));
    }
    conflicts
}

/// The files as the agent may see them now, as far as the run might: not at all if it is gone, which its commit is refused for anyway.
fn present_view(project: &Project, draft: &Draft) -> View {
    let directory = project.coordinator.directory();
    let present = directory.agents().find(|present| present.name == draft.agent);
    let grants = present.map(|agent| directory.files_of(agent)).unwrap_or_default();
    let grants = match &draft.narrow {
        Some(narrow) => Arc::new(grants.narrowed(FileGrants::clone(narrow))),
        None => grants,
    };
    project.view(grants, &draft.agent, Some(draft.run))
}

async fn refused(project: &Arc<Project>, error: &AppError) -> Fate {
    let detail = chain(error);
    match error {
        AppError::Commit(CommitError::Conflicts { conflicts }) => {
            Fate::Refused { detail, conflicts: explain_all(project, conflicts).await }
        }
        AppError::Commit(error) if error.may_be_done() => Fate::Unknown,
        _ => Fate::Refused { detail, conflicts: Vec::new() },
    }
}

/// The error with everything that led to it.
fn chain(error: &AppError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

/// What lies at the first of these paths, and who changed it last: somebody outside, too, whose change is on record then.
pub(super) async fn explain_all(project: &Arc<Project>, conflicts: &[Conflict]) -> Vec<PathConflict> {
    let conflicts = conflicts.iter().take(Publication::MOST_PATHS);
    outside::examine(project, conflicts.clone().map(|conflict| conflict.path.clone()).collect()).await;
    let mut told = Vec::new();
    for conflict in conflicts {
        told.push(explain(project, conflict).await);
    }
    told
}

/// What lies there, and who changed it last.
pub(super) async fn explain(project: &Arc<Project>, conflict: &Conflict) -> PathConflict {
    let path = conflict.path.clone();
    let filter = CommitFilter { agent: None, task: None, path: Some(path.clone()), before: None, limit: 1 };
    // Without an answer the conflict is told all the same.
    let _ = project.settled().await;
    let last = project.read(move |reads| reads.commits(&filter)).await.ok().and_then(|mut found| found.pop());
    let current_version = conflict.current.map(|version| version.to_string());
    let (commit, agent) = last.map(|last| (last.number, last.agent)).unzip();
    PathConflict { path, current_version, commit, agent: agent.flatten() }
}

async fn told(project: &Arc<Project>, draft: &Arc<Draft>, fate: Fate) -> Publication {
    if fate == Fate::Nothing {
        return Publication::new(fate, Vec::new(), Vec::new());
    }
    let (workspace, set) = (Arc::clone(&project.workspace), Arc::clone(&draft.set));
    let outlined = tokio::task::spawn_blocking(move || workspace.outline(&set).unwrap_or_default()).await;
    Publication::new(fate, outlined.unwrap_or_default(), draft.set.blind())
}
