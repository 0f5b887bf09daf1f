//! Making tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::{Answer, Context};
use crate::{
    AgentName, Capability, Created, Hold, NewTask, Node, OnParentFailure, Parent, Rank, Refusal, Reply, Role,
    Row, StoredTask, Task, TaskBody, TaskEvent, TaskId, TaskRefusal, TaskReply, TaskRow, TaskSpec, TaskState,
    TaskStatus,
};

/// The most tasks that one call makes.
const MAX_TASKS: usize = 1_000;

/// All of them are made, or none.
pub(super) fn create(context: &mut Context<'_>, new: Vec<NewTask>) -> Answer {
    context.at_least(Role::Worker)?;
    if new.is_empty() || new.len() > MAX_TASKS {
        return Err(TaskRefusal::Count(new.len()).into());
    }
    for (index, task) in new.iter().enumerate() {
        check(context, index, task, new.len())?;
    }
    check_order(&new)?;

    let ids = ids(context, &new);
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
    let mut task = Task { id, spec: Arc::new(spec), creator, created_at: now, rank: Rank(0), state };
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

fn check(context: &Context<'_>, index: usize, new: &NewTask, len: usize) -> Result<(), Refusal> {
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
        match *parent {
            Parent::Existing(parent) => check_parent(context, parent, new.spec.on_parent_failure)?,
            Parent::Sibling(parent) if parent >= len => {
                return Err(TaskRefusal::NoSuchSibling { index, parent, len }.into());
            }
            Parent::Sibling(_) => {}
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
/// has no cycle (Kahn, 1962).
fn check_order(new: &[NewTask]) -> Result<(), TaskRefusal> {
    let siblings = |task: &NewTask| {
        let parents = task.parents.iter().filter_map(|parent| match parent {
            Parent::Sibling(index) => Some(*index),
            Parent::Existing(_) => None,
        });
        parents.collect::<BTreeSet<usize>>()
    };
    let mut waits: Vec<BTreeSet<usize>> = new.iter().map(siblings).collect();
    let mut children = vec![Vec::new(); new.len()];
    for (child, parents) in waits.iter().enumerate() {
        for parent in parents {
            children.get_mut(*parent).into_iter().for_each(|list: &mut Vec<usize>| list.push(child));
        }
    }
    let mut free: Vec<usize> =
        (0..new.len()).filter(|index| waits.get(*index).is_some_and(BTreeSet::is_empty)).collect();
    while let Some(parent) = free.pop() {
        for child in children.get(parent).into_iter().flatten() {
            let Some(parents) = waits.get_mut(*child) else { continue };
            parents.remove(&parent);
            if parents.is_empty() {
                free.push(*child);
            }
        }
    }
    let in_cycle = waits.iter().position(|parents| !parents.is_empty());
    in_cycle.map_or(Ok(()), |index| Err(TaskRefusal::Cycle(Node::New(index))))
}
