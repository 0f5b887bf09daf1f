//! Tasks: what agents ask of them, and what they are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use longhouse_core::{
    AgentName, Caller, ClaimRequest, Claimed, Command, Completion, Created, EventSeq, Grant, Held, Hold,
    Nothing, Reply, Stands, StoredTask, TaskBody, TaskCommand, TaskId, TaskPatch, TaskRefusal, TaskReply,
    Why,
};
use longhouse_store::{EventFilter, StoredEvent, TaskFilter, TaskRecord};

use super::{AppError, By, Project};

/// As many grants of one task are looked at: no task has more.
const GRANTS: u32 = 10_000;

/// What a claim led to.
#[derive(Debug)]
pub struct Handed {
    /// What the caller holds now, with what it has to read.
    pub tasks: Vec<(Grant, TaskRecord)>,
    /// Why there is nothing.
    pub nothing: Option<Nothing>,
}

/// Some tasks, in the order they were made.
#[derive(Debug)]
pub struct TaskPage {
    /// Those that fit the filter.
    pub tasks: Vec<StoredTask>,
    /// Whatever happened later is an event after this one.
    pub as_of: EventSeq,
}

/// Changes to a task; what is `None` stays.
#[derive(Debug, Default)]
pub struct TaskChange {
    /// What it is in a line.
    pub title: Option<String>,
    /// What is to be done.
    pub description: Option<String>,
    /// The rest; its `body` is what these say.
    pub patch: TaskPatch,
}

/// Makes these tasks, or none of them.
///
/// # Errors
/// A refusal.
pub async fn create(
    project: &Project,
    by: By,
    new: Vec<longhouse_core::NewTask>,
) -> Result<Box<[Created]>, AppError> {
    let reply = ask_by(project, by, TaskCommand::Create(new)).await?;
    let TaskReply::Created(created) = reply else { return Err(AppError::Confused) };
    Ok(created)
}

/// Gives the caller tasks to work on. Whoever goes away while waiting leaves no claim and no grant behind.
///
/// # Errors
/// A refusal, or the database's failure.
pub async fn claim(project: &Arc<Project>, by: By, request: ClaimRequest) -> Result<Handed, AppError> {
    let asking = by.clone();
    let reply = ask_by(project, by, TaskCommand::Claim(request)).await?;
    let TaskReply::Claimed(claimed) = reply else { return Err(AppError::Confused) };
    hand_out(project, &asking, *claimed).await
}

/// Ends the work on a task, and claims what comes next if that is asked for.
///
/// # Errors
/// As [`claim`].
pub async fn complete(
    project: &Arc<Project>,
    by: By,
    completion: Completion,
) -> Result<(Stands, Option<Handed>), AppError> {
    let asking = by.clone();
    match ask_by(project, by, TaskCommand::Complete(completion)).await? {
        TaskReply::Stands(stands) => Ok((stands, None)),
        TaskReply::Claimed(claimed) => {
            let stands = claimed.ended.ok_or(AppError::Confused)?;
            Ok((stands, Some(hand_out(project, &asking, *claimed).await?)))
        }
        TaskReply::Created(_) | TaskReply::Held(_) | TaskReply::Live(_) | TaskReply::Why(_) => {
            Err(AppError::Confused)
        }
    }
}

/// Renews a lease, or tells how far the work is, which renews it too.
///
/// # Errors
/// A refusal.
pub async fn keep(project: &Project, by: By, command: TaskCommand) -> Result<Held, AppError> {
    let reply = ask_by(project, by, command).await?;
    let TaskReply::Held(held) = reply else { return Err(AppError::Confused) };
    Ok(held)
}

/// Fails, releases, asks, answers, cancels: whatever puts a task elsewhere.
///
/// # Errors
/// A refusal.
pub async fn put(project: &Project, by: By, command: TaskCommand) -> Result<Stands, AppError> {
    let reply = ask_by(project, by, command).await?;
    let TaskReply::Stands(stands) = reply else { return Err(AppError::Confused) };
    Ok(stands)
}

/// Begins a task again that failed or was cancelled.
///
/// # Errors
/// A refusal, or the database's failure.
pub async fn retry(project: &Arc<Project>, by: By, id: TaskId) -> Result<Stands, AppError> {
    let stored = stored(project, id).await?.stored;
    put(project, by, TaskCommand::Retry(Box::new(stored))).await
}

/// Changes what is asked for.
///
/// # Errors
/// A refusal, or the database's failure.
pub async fn change(
    project: &Arc<Project>,
    by: By,
    id: TaskId,
    change: TaskChange,
) -> Result<Stands, AppError> {
    let TaskChange { title, description, patch } = change;
    let body = match (title, description) {
        (None, None) => None,
        (Some(title), Some(description)) => Some((title, description)),
        (title, description) => {
            let body = stored(project, id).await?.stored.body;
            let title = title.unwrap_or_else(|| body.title.as_ref().to_owned());
            Some((title, description.unwrap_or_else(|| body.description.as_ref().to_owned())))
        }
    };
    let body = body.map(|(title, description)| TaskBody::new(&title, &description)).transpose();
    let body = body.map_err(|invalid| AppError::Refused(TaskRefusal::from(invalid).into()))?;
    put(project, by, TaskCommand::Patch(id, Box::new(TaskPatch { body, ..patch }))).await
}

/// Everything about a task.
///
/// # Errors
/// When there is none, or the database fails.
pub async fn find(project: &Arc<Project>, agent: AgentName, id: TaskId) -> Result<TaskRecord, AppError> {
    let mut record = stored(project, id).await?;
    put_live_leases(project, agent, std::slice::from_mut(&mut record.stored)).await?;
    Ok(record)
}

/// Tasks that fit.
///
/// # Errors
/// When the database fails.
pub async fn list(
    project: &Arc<Project>,
    agent: AgentName,
    filter: TaskFilter,
) -> Result<TaskPage, AppError> {
    let as_of = *project.coordinator.last_event().borrow();
    let mut tasks = project.read(move |reads| reads.tasks(&filter)).await?;
    put_live_leases(project, agent, &mut tasks).await?;
    Ok(TaskPage { tasks, as_of })
}

/// As [`list`], with their notes and without whatever is told of leases between renewals.
///
/// # Errors
/// When the database fails.
pub async fn records(project: &Arc<Project>, filter: TaskFilter) -> Result<Vec<TaskRecord>, AppError> {
    let records = project.read(move |reads| {
        let ids: Vec<TaskId> = reads.tasks(&filter)?.iter().map(|stored| stored.task.id).collect();
        reads.task_records(&ids)
    });
    records.await
}

/// Why a task runs or does not, most telling first; and the event of its last grant, if there was one.
///
/// # Errors
/// When there is none.
pub async fn why(
    project: &Arc<Project>,
    agent: AgentName,
    id: TaskId,
) -> Result<(Vec<Why>, Option<StoredEvent>), AppError> {
    let reply = ask(project, agent, TaskCommand::Why(id)).await?;
    let TaskReply::Why(why) = reply else { return Err(AppError::Confused) };
    let types = vec!["task.claimed".to_owned()];
    let filter = EventFilter { types, task: Some(id), limit: GRANTS, after: 0 };
    let grants = project.read(move |reads| reads.events(&filter)).await?;
    Ok((why, grants.into_iter().next_back()))
}

async fn ask(project: &Project, agent: AgentName, command: TaskCommand) -> Result<TaskReply, AppError> {
    about_a_task(project.ask(Caller::Agent(agent), Command::Task(command)).await?)
}

async fn ask_by(project: &Project, by: By, command: TaskCommand) -> Result<TaskReply, AppError> {
    about_a_task(project.ask_by(by, Command::Task(command)).await?)
}

fn about_a_task(reply: Reply) -> Result<TaskReply, AppError> {
    let Reply::Task(reply) = reply else { return Err(AppError::Confused) };
    Ok(reply)
}

async fn stored(project: &Arc<Project>, id: TaskId) -> Result<TaskRecord, AppError> {
    let record = project.read(move |reads| reads.task(id)).await?;
    record.ok_or_else(|| AppError::Refused(TaskRefusal::NoSuchTask(id).into()))
}

/// Renewals are not stored: how long a lease lasts, the coordinator knows.
async fn put_live_leases(
    project: &Project,
    agent: AgentName,
    tasks: &mut [StoredTask],
) -> Result<(), AppError> {
    let held: Vec<TaskId> = tasks
        .iter()
        .map(|stored| &stored.task)
        .filter(|task| task.state.lease.is_some())
        .map(|task| task.id)
        .collect();
    if held.is_empty() {
        return Ok(());
    }
    let reply = ask(project, agent, TaskCommand::Find(held)).await?;
    let TaskReply::Live(live) = reply else { return Err(AppError::Confused) };
    let live: BTreeMap<TaskId, _> = live.into_iter().map(|task| (task.id, task.state.lease)).collect();
    for stored in tasks {
        let now = live.get(&stored.task.id).and_then(Option::as_ref);
        if let (Some(lease), Some(now)) = (&mut stored.task.state.lease, now)
            && lease.fence == now.fence
        {
            *lease = now.clone();
        }
    }
    Ok(())
}

async fn hand_out(project: &Arc<Project>, by: &By, claimed: Claimed) -> Result<Handed, AppError> {
    let Claimed { ended: _, grants, nothing } = claimed;
    let mut undelivered = Undelivered::of(project, by, &grants);
    let ids: Vec<TaskId> = grants.iter().map(|grant| grant.task).collect();
    let records = project.read(move |reads| reads.task_records(&ids)).await?;
    undelivered.holds.clear();
    Ok(Handed { tasks: grants.into_iter().zip(records).collect(), nothing })
}

/// Grants whose caller is still to be told. Dropped before that, they are taken back, unless the caller can ask again
/// with its key.
struct Undelivered<'a> {
    project: &'a Project,
    agent: AgentName,
    holds: Vec<Hold>,
}

impl<'a> Undelivered<'a> {
    fn of(project: &'a Project, by: &By, grants: &[Grant]) -> Self {
        let holds = match by.keyed {
            Some(_) => Vec::new(),
            None => grants.iter().map(Grant::hold).collect(),
        };
        Self { project, agent: by.agent.clone(), holds }
    }
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        if !self.holds.is_empty() {
            let command = TaskCommand::TakeBack(self.agent.clone(), std::mem::take(&mut self.holds));
            self.project.coordinator.tell(Caller::Server, Command::Task(command));
        }
    }
}
