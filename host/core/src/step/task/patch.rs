//! Changing what is asked for.

use std::sync::Arc;

use super::super::{Answer, Context, stands};
use super::create::check_parent;
use crate::{
    Node, Refusal, Role, Row, Task, TaskEvent, TaskId, TaskPatch, TaskRefusal, TaskRow, TaskSpec, TaskStatus,
};

pub(super) fn patch(context: &mut Context<'_>, id: TaskId, patch: TaskPatch) -> Answer {
    let Some(task) = context.state.queue.get(id).cloned() else {
        return Err(match context.state.queue.fate(id) {
            Some(status) => TaskRefusal::WrongStatus { task: id, status, needs: "not ended" }.into(),
            None => TaskRefusal::NoSuchTask(id).into(),
        });
    };
    check_right(context, &task, &patch)?;
    let status = task.state.status;
    if patch.verify.is_some() && status == TaskStatus::Verifying {
        return Err(TaskRefusal::WrongStatus { task: id, status, needs: "not being checked" }.into());
    }
    let body = patch.body.clone();
    let spec = patched(&task.spec, patch).normalised().map_err(TaskRefusal::Invalid)?;
    check(context, &task, &spec)?;

    let spec = Arc::new(spec);
    context.step.rows.push(Row::Task(TaskRow::SetSpec(id, Arc::clone(&spec))));
    context.step.rows.extend(body.map(|body| Row::Task(TaskRow::SetBody(id, body))));
    let not_before = task.spec.not_before;
    let mut task = Task { spec, ..task };
    if not_before != task.spec.not_before && not_before == task.state.waits_until {
        task.state.waits_until = None;
    }
    match task.state.status {
        // Where it waits may have changed, and for what.
        TaskStatus::Blocked | TaskStatus::Scheduled | TaskStatus::Pending => context.place(&mut task),
        TaskStatus::InProgress | TaskStatus::Verifying | TaskStatus::NeedsInput => {}
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => {}
    }
    let status = task.state.status;
    context.change(id, |old| *old = task);
    context.callers_task_event(id, TaskEvent::Patched {});
    Ok(stands(id, status))
}

/// Its creator and coordinators may change all of it; its holder what it is, and not what it is measured by.
fn check_right(context: &Context<'_>, task: &Task, patch: &TaskPatch) -> Result<(), Refusal> {
    let author = context.author();
    let holds = task.state.lease.as_ref().is_some_and(|lease| Some(&lease.holder) == author.as_ref());
    if holds && patch.changes_terms() {
        let who = "somebody who does not hold it";
        return Err(TaskRefusal::NotYours { task: task.id, who }.into());
    }
    if holds { context.at_least(Role::Worker) } else { context.may_steer(task) }
}

fn patched(spec: &TaskSpec, patch: TaskPatch) -> TaskSpec {
    let spec = spec.clone();
    TaskSpec {
        priority: patch.priority.unwrap_or(spec.priority),
        depends_on: patch.depends_on.unwrap_or(spec.depends_on),
        capabilities: patch.capabilities.unwrap_or(spec.capabilities),
        assigned_to: patch.assigned_to.unwrap_or(spec.assigned_to),
        touches: patch.touches.unwrap_or(spec.touches),
        verify: patch.verify.unwrap_or(spec.verify),
        max_attempts: patch.max_attempts.unwrap_or(spec.max_attempts),
        not_before: patch.not_before.unwrap_or(spec.not_before),
        deadline: patch.deadline.unwrap_or(spec.deadline),
        labels: patch.labels.unwrap_or(spec.labels),
        budget: patch.budget.unwrap_or(spec.budget),
        ..spec
    }
}

fn check(context: &Context<'_>, task: &Task, spec: &TaskSpec) -> Result<(), Refusal> {
    if let Some(agent) = &spec.assigned_to
        && !context.state.agents.contains_key(agent)
    {
        return Err(Refusal::NoSuchAgent(agent.clone()));
    }
    if spec.deadline != task.spec.deadline && spec.deadline.is_some_and(|at| at <= context.now) {
        return Err(TaskRefusal::DeadlinePassed.into());
    }
    for parent in spec.depends_on.iter().filter(|parent| !task.spec.depends_on.contains(parent)) {
        check_parent(context, *parent, spec.on_parent_failure)?;
        if waits_for(context, *parent, task.id) {
            return Err(TaskRefusal::Cycle(Node::Task(task.id)).into());
        }
    }
    Ok(())
}

/// Whether `task` waits for `other`, directly or through others.
pub(super) fn waits_for(context: &Context<'_>, task: TaskId, other: TaskId) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    let mut open = vec![task];
    while let Some(id) = open.pop() {
        if id == other {
            return true;
        }
        if seen.insert(id)
            && let Some(task) = context.state.queue.get(id)
        {
            open.extend(&task.spec.depends_on);
        }
    }
    false
}
