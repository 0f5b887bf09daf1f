//! Making tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{Answer, Context};
use crate::{
    AgentName, Capability, Created, Hold, NewTask, Node, OnParentFailure, Parent, Placing, Refusal, Reply,
    Role, Row, StoredTask, Task, TaskBody, TaskEvent, TaskId, TaskRefusal, TaskReply, TaskRow, TaskSpec,
    TaskState, TaskStatus,
};

/// The most tasks that one call makes.
const MAX_TASKS: usize = 1_000;

/// All of them are made, or none.
pub(super) fn create(context: &mut Context<'_>, new: Vec<NewTask>) -> Answer {
    context.at_least(Role::Worker)?;
    if new.is_empty() || new.len() > MAX_TASKS {
        return Err(TaskRefusal::Count(new.len()).into());
    }
    let ids = ids(context, &new);
    let mut last = context.state.last_task;
    for (index, (task, id)) in new.iter().zip(&ids).enumerate() {
        if *id > last {
            last = *id;
            check(context, index, task, &ids)?;
        }
    }
    check_order(context, &new, &ids)?;

    let mut created = Vec::with_capacity(new.len());
    for (task, id) in new.into_iter().zip(&ids) {
        let existed = *id <= context.state.last_task;
        if !existed {
            context.state.last_task = *id;
            let depends_on =
                task.parents.iter().filter_map(|parent| resolve(*parent, &ids)).collect::<BTreeSet<_>>();
            let spec = TaskSpec { depends_on: depends_on.into_iter().collect(), ..task.spec };
            insert(context, *id, spec, task.body, context.author());
        }
        let queue = &context.state.queue;
        let status = queue.get(*id).map(|task| task.state.status).or_else(|| queue.fate(*id));
        created.push(Created { id: *id, status: status.unwrap_or(TaskStatus::Pending), existed });
    }
    Ok(Reply::Task(TaskReply::Created(created.into())))
}

/// Makes the task that judges the work of another. It counts as that task's creator's.
pub(super) fn create_check(context: &mut Context<'_>, hold: Hold, capability: &Capability, work: &Task) {
    let id = TaskId(context.state.last_task.0 + 1);
    context.state.last_task = id;
    let spec = TaskSpec {
        priority: work.spec.priority,
        capabilities: Box::new([capability.clone()]),
        max_attempts: 1,
        parent: Some(hold.task),
        checks: Some(hold),
        ..TaskSpec::default()
    };
    let title = format!("Check the work on {}", hold.task).into();
    let description = "Complete this task if the work is good; fail it, and say why, if not.".into();
    insert(context, id, spec, TaskBody { title, description }, work.creator.clone());
}

fn insert(context: &mut Context<'_>, id: TaskId, spec: TaskSpec, body: TaskBody, creator: Option<AgentName>) {
    let now = context.now;
    let state = TaskState::new(now);
    let mut task =
        Task { id, spec: Arc::new(spec), creator, created_at: now, placing: Placing::default(), state };
    context.place(&mut task);
    if let Some(key) = &task.spec.key {
        context.state.queue.keys.insert(key.clone(), id);
    }
    let event = TaskEvent::Created { title: Arc::clone(&body.title), status: task.state.status };
    context.step.rows.push(Row::Task(TaskRow::Insert(Box::new(StoredTask { task: task.clone(), body }))));
    context.state.queue.insert(task);
    context.callers_task_event(id, event);
}

/// The ids that the list gets: those that are there under their keys, one for all that share a key, and new ones in
/// ascending order.
fn ids(context: &Context<'_>, new: &[NewTask]) -> Vec<TaskId> {
    let mut last = context.state.last_task;
    let mut keys = BTreeMap::new();
    let mut id = |task: &NewTask| {
        let key = task.spec.key.as_ref();
        let known = key.and_then(|key| context.state.queue.keys.get(key).or_else(|| keys.get(key)));
        known.copied().unwrap_or_else(|| {
            last = TaskId(last.0 + 1);
            keys.extend(key.map(|key| (key.clone(), last)));
            last
        })
    };
    new.iter().map(&mut id).collect()
}

fn resolve(parent: Parent, ids: &[TaskId]) -> Option<TaskId> {
    match parent {
        Parent::Existing(id) => Some(id),
        Parent::Sibling(index) => ids.get(index).copied(),
    }
}

/// Whether a task can be made. One that is there under its key already is not asked.
fn check(context: &Context<'_>, index: usize, new: &NewTask, ids: &[TaskId]) -> Result<(), Refusal> {
    if let Some(agent) = &new.spec.assigned_to
        && !context.state.agents.contains_key(agent)
    {
        return Err(Refusal::NoSuchAgent(agent.clone()));
    }
    if new.spec.deadline.is_some_and(|at| at <= context.now) {
        return Err(TaskRefusal::DeadlinePassed.into());
    }
    if let Some(parent) = new.spec.parent {
        exists(context, parent)?;
    }
    for parent in &new.parents {
        let existing = match *parent {
            Parent::Existing(parent) => Some(parent),
            Parent::Sibling(parent) => {
                let no_sibling = TaskRefusal::NoSuchSibling { index, parent, len: ids.len() };
                let id = *ids.get(parent).ok_or(no_sibling)?;
                Some(id).filter(|id| *id <= context.state.last_task)
            }
        };
        if let Some(parent) = existing {
            check_parent(context, parent, new.spec.on_parent_failure)?;
        }
    }
    Ok(())
}

/// Whether a task may depend on `parent`.
pub(super) fn check_parent(
    context: &Context<'_>,
    parent: TaskId,
    on_failure: OnParentFailure,
) -> Result<(), TaskRefusal> {
    exists(context, parent)?;
    match (context.state.queue.fate(parent), on_failure) {
        (Some(status @ (TaskStatus::Failed | TaskStatus::Cancelled)), OnParentFailure::Cancel) => {
            Err(TaskRefusal::ParentEnded { parent, status })
        }
        (Some(_) | None, _) => Ok(()),
    }
}

fn exists(context: &Context<'_>, id: TaskId) -> Result<(), TaskRefusal> {
    let queue = &context.state.queue;
    if queue.get(id).is_some() || queue.fate(id).is_some() {
        Ok(())
    } else {
        Err(TaskRefusal::NoSuchTask(id))
    }
}

/// Refuses siblings that wait for each other: what can be taken away, one without waiting siblings after the other,
/// has no cycle (Kahn, 1962). Siblings that share a key are one task, the first of them.
fn check_order(context: &Context<'_>, new: &[NewTask], ids: &[TaskId]) -> Result<(), TaskRefusal> {
    let is_new = |id: &TaskId| *id > context.state.last_task;
    let mut waits: BTreeMap<TaskId, (usize, BTreeSet<TaskId>)> = BTreeMap::new();
    let mut children: BTreeMap<TaskId, Vec<TaskId>> = BTreeMap::new();
    for (index, (task, id)) in new.iter().zip(ids).enumerate().filter(|(_, (_, id))| is_new(id)) {
        waits.entry(*id).or_insert_with(|| {
            let siblings = task.parents.iter().filter_map(|parent| match parent {
                Parent::Sibling(sibling) => ids.get(*sibling).copied().filter(is_new),
                Parent::Existing(_) => None,
            });
            (index, siblings.collect())
        });
    }
    for (child, (_, parents)) in &waits {
        for parent in parents {
            children.entry(*parent).or_default().push(*child);
        }
    }
    let mut free: Vec<TaskId> =
        waits.iter().filter(|(_, (_, parents))| parents.is_empty()).map(|(id, _)| *id).collect();
    while let Some(parent) = free.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            let Some((_, parents)) = waits.get_mut(child) else { continue };
            parents.remove(&parent);
            if parents.is_empty() {
                free.push(*child);
            }
        }
    }
    let in_cycle = waits.values().find(|(_, parents)| !parents.is_empty());
    in_cycle.map_or(Ok(()), |(index, _)| Err(TaskRefusal::Cycle(Node::New(*index))))
}
