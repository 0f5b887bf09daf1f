//! Taking back what was committed.

use std::sync::Arc;

use longhouse_core::{
    Agent, AgentName, Authorship, Change, CommitNumber, Isolation, PathChange, ProjectPath, TaskId, Verb,
};
use longhouse_store::CommitFilter;
use longhouse_workspace::{CommitError, Conflict, Quota};

use super::{App, AppError, Project, publish};

/// The most commits that are taken back at once.
const MOST: u32 = 1_000;

/// How long to wait for others who change the same paths.
const PATIENCE_MS: u64 = 10_000;

/// What is to be taken back.
#[derive(Debug, Clone)]
pub enum What {
    /// These commits.
    Commits(Vec<CommitNumber>),
    /// Everything that an agent, or everybody, did in one task.
    Task(TaskId, Option<AgentName>),
}

/// What was taken back.
#[derive(Debug)]
pub struct Undone {
    /// By which commit; `None` if all was so already, or it was only tried.
    pub commit: Option<CommitNumber>,
    /// Which commits, the latest first.
    pub commits: Vec<CommitNumber>,
    /// What that changes, in the order in which it is done. Empty if the same request was carried out before.
    pub changes: Vec<PathChange>,
}

/// Whether it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Commit,
    /// It is only tried.
    DryRun,
}

/// Takes back commits, all of them or none, the latest first: where nobody built on what they left, it becomes what it was
/// before.
///
/// # Errors
/// [`AppError::BuiltOn`] where somebody did, or why it may not be.
pub async fn undo(
    app: &App,
    project: &Arc<Project>,
    agent: &Agent,
    author: Authorship,
    what: What,
    mode: Mode,
) -> Result<Undone, AppError> {
    let commits = commits(project, agent, what).await?;
    let numbers: Vec<CommitNumber> = commits.iter().map(|(number, _)| *number).collect();
    let until = app.clock.now().plus_millis(PATIENCE_MS);
    let view = project.view_of(agent);
    let limits = project.coordinator.directory().limits_of(agent);
    let quota = Quota { bytes: limits.staged, entries: limits.files };
    let name = set_name()?;
    let source = Arc::clone(project);
    let done = tokio::task::spawn_blocking(move || {
        let workspace = &source.workspace;
        let Some(path) = commits.first().and_then(|(_, changes)| changes.first()).map(|it| it.path.clone())
        else {
            return Ok(Ok((None, Vec::new())));
        };
        if let (Some(number), Mode::Commit) = (workspace.done_before(&author, path)?, mode) {
            return Ok(Ok((Some(number), Vec::new())));
        }
        let set =
            Arc::new(workspace.change_set(name, quota, &workspace.reader(&author.agent), Isolation::Writes));
        let own = view.with(Arc::clone(&set));
        let mut in_the_way: Vec<Conflict> = Vec::new();
        for change in commits.iter().flat_map(|(_, changes)| changes.iter().rev()) {
            let at = |source| CommitError::Path { path: change.path.clone(), source };
            in_the_way.extend(own.take_back(change).map_err(at)?);
        }
        if !in_the_way.is_empty() {
            return Ok(Err(in_the_way));
        }
        let changes = workspace
            .outline(&set)
            .map_err(|source| CommitError::Path { path: ProjectPath::root(), source })?;
        drop(own);
        let number = match mode {
            Mode::DryRun => None,
            Mode::Commit => workspace.publish(&view, author, &set, Some(until))?.number,
        };
        Ok::<_, CommitError>(Ok((number, changes)))
    });
    match done.await.map_err(|_| AppError::CutOff)?? {
        Ok((commit, changes)) => Ok(Undone { commit, commits: numbers, changes }),
        Err(in_the_way) => Err(AppError::BuiltOn(publish::explain_all(project, &in_the_way).await)),
    }
}

/// What is to be taken back, the latest first, if this agent may.
async fn commits(
    project: &Arc<Project>,
    agent: &Agent,
    what: What,
) -> Result<Vec<(CommitNumber, Vec<Change>)>, AppError> {
    let most = usize::try_from(MOST).unwrap_or(usize::MAX);
    project.settled().await?;
    let mut numbers = match what {
        What::Commits(numbers) => numbers,
        What::Task(task, by) => {
            let filter =
                CommitFilter { agent: by, task: Some(task), path: None, before: None, limit: MOST + 1 };
            let records = project.read(move |reads| reads.commits(&filter)).await?;
            records.iter().map(|record| record.number).collect()
        }
    };
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    numbers.dedup();
    if numbers.len() > most {
        return Err(AppError::TooManyCommits { most });
    }
    let view = project.view_of(agent);
    let mut commits = Vec::with_capacity(numbers.len());
    for number in numbers {
        let found = project.read(move |reads| match reads.commit(number)? {
            Some(record) if record.status.is_in_force() => {
                Ok(Some((record, reads.changes(number, 0, u32::MAX)?)))
            }
            Some(_) | None => Ok(None),
        });
        let (record, changes) = found.await?.ok_or(AppError::UnknownCommit(number))?;
        if !agent.may_undo(record.agent.as_ref()) {
            return Err(AppError::NotYourCommit { number, by: record.agent });
        }
        if !changes.iter().flat_map(Change::paths).all(|path| view.grants(Verb::Read, path)) {
            return Err(AppError::HiddenPaths(number));
        }
        commits.push((number, changes));
    }
    Ok(commits)
}

/// A name that no other change set has.
fn set_name() -> Result<String, AppError> {
    let random = getrandom::u64().map_err(|_| AppError::NoRandomness)?;
    Ok(format!("u{random:016x}"))
}
