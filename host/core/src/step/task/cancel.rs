//! Giving up a task, and beginning again.

use std::sync::Arc;

use super::super::{Answer, Context, stands};
use super::change::cancel_now;
use super::create::check_parent;
use super::patch::waits_for;
use crate::{
    Node, Refusal, Row, StoredTask, Task, TaskEvent, TaskId, TaskRefusal, TaskRow, TaskState, TaskStatus,
};

pub(super) fn cancel(context: &mut Context<'_>, id: TaskId, reason: &Arc<str>) -> Answer {
    let status = context.steered(id)?.state.status;
    match status {
        TaskStatus::InProgress => {
            context.change(id, |task| task.state.cancel_requested = true);
            context.callers_task_event(id, TaskEvent::CancelRequested { reason: Arc::clone(reason) });
            Ok(stands(id, status))
        }
        TaskStatus::Blocked
        | TaskStatus::Scheduled
        | TaskStatus::Pending
        | TaskStatus::Verifying
        | TaskStatus::NeedsInput => {
            cancel_now(context, id, context.author(), reason);
            Ok(stands(id, TaskStatus::Cancelled))
        }
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => {
            Err(TaskRefusal::WrongStatus { task: id, status, needs: "not ended" }.into())
        }
    }
}

/// What ended is not in memory any more: `stored` is the task as its caller read it. That it is still so is checked.
pub(super) fn retry(context: &mut Context<'_>, stored: StoredTask) -> Answer {
    let StoredTask { mut task, body: _ } = stored;
    let id = task.id;
    context.may_steer(&task)?;
    match context.state.queue.fate(id) {
        Some(_) if context.state.queue.was_retried(&task) => return Err(TaskRefusal::Retried(id).into()),
        Some(status @ (TaskStatus::Failed | TaskStatus::Cancelled)) if status == task.state.status => {}
        Some(status) => {
            return Err(TaskRefusal::WrongStatus { task: id, status, needs: "failed or cancelled" }.into());
        }
        None => return Err(TaskRefusal::Retried(id).into()),
    }
    for parent in &task.spec.depends_on {
        check_parent(context, *parent, task.spec.on_parent_failure)?;
        if waits_for(context, *parent, id) {
            return Err(TaskRefusal::Cycle(Node::Task(id)).into());
        }
    }
    if task.spec.deadline.is_some_and(|at| at <= context.now) {
        return Err(TaskRefusal::DeadlinePassed.into());
    }
    let incarnation = task.state.incarnation + 1;
    let (fence, usage) = (task.state.fence, task.state.usage);
    let anew = TaskState::new(context.now);
    task.state = TaskState { incarnation, fence, usage, budget_from: usage, ..anew };
    context.place(&mut task);
    let status = task.state.status;
    context.step.rows.push(Row::Task(TaskRow::SetState(id, Box::new(task.state.clone()))));
    context.state.queue.insert(task);
    context.callers_task_event(id, TaskEvent::Retried { incarnation });
    wait_again(context, id);
    Ok(stands(id, status))
}

/// Children that went on without the parent, and have not begun, wait for it again. Looks at all tasks.
fn wait_again(context: &mut Context<'_>, parent: TaskId) {
    let children = context.state.queue.tasks().filter(|task| task.spec.depends_on.contains(&parent));
    let not_begun = children.filter(|task| match task.state.status {
        TaskStatus::Blocked | TaskStatus::Scheduled | TaskStatus::Pending => true,
        TaskStatus::InProgress | TaskStatus::Verifying | TaskStatus::NeedsInput => false,
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => false,
    });
    for child in not_begun.map(|task| task.id).collect::<Vec<_>>() {
        context.go_on(child, |_| ());
    }
}

impl Context<'_> {
    /// The task, if the caller may decide about it.
    pub(super) fn steered(&self, id: TaskId) -> Result<&Task, Refusal> {
        let Some(task) = self.state.queue.get(id) else {
            return Err(match self.state.queue.fate(id) {
                Some(status) => TaskRefusal::WrongStatus { task: id, status, needs: "not ended" }.into(),
                None => TaskRefusal::NoSuchTask(id).into(),
            });
        };
        self.may_steer(task)?;
        Ok(task)
    }
}
