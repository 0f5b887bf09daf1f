//! What is decided because its time came.

use std::sync::Arc;

use super::task::{end, lost};
use super::{Context, commit, crew, lock, policy};
use crate::{NoteKind, TaskEvent, TaskId, TaskStatus};

/// Decides everything that is due by now.
pub(super) fn decide(context: &mut Context<'_>) {
    while let Some((at, id)) = context.state.queue.first_due()
        && at <= context.now
    {
        task(context, id);
    }
    lock::expire(context);
    lock::give_up_waiting(context);
    while let Some((at, place)) = context.state.queue.waiting.first_until()
        && at <= context.now
    {
        super::task::give_up_waiting(context, place);
    }
    if context.state.queue.reopens_at.is_some_and(|at| at <= context.now) {
        context.state.queue.reopens_at = None;
        context.state.queue.stirred = true;
    }
    crew::look_after(context);
    crew::warm(context);
    while let Some((at, waiter)) = context.state.talk.waits.first_until()
        && at <= context.now
    {
        super::talk::give_up_waiting(context, waiter);
    }
    policy::keep_order(context);
    commit::expire(context);
    commit::give_up_waiting(context);
}

/// Nobody could renew anything. Comes before what is due, or every lease would be found late first.
pub(super) fn forgive(context: &mut Context<'_>) {
    if context.not_an_agent().is_ok() {
        context.state.forgive(context.now);
        commit::forgive(context);
    }
}

fn task(context: &mut Context<'_>, id: TaskId) {
    let Some(task) = context.state.queue.get(id) else { return };
    let past_deadline = task.spec.deadline.is_some_and(|at| at <= context.now);
    match task.state.status {
        TaskStatus::InProgress => lost(context, id),
        TaskStatus::Blocked | TaskStatus::Scheduled | TaskStatus::Pending | TaskStatus::NeedsInput
            if past_deadline =>
        {
            let (attempt, reason) = (task.state.attempt, Arc::from("its deadline has passed"));
            context.note(id, NoteKind::Failure, None, &reason);
            let event = TaskEvent::Failed { attempt, reason: Arc::clone(&reason), again_at_ms: None };
            context.task_event(None, id, event);
            end(context, id, TaskStatus::Failed, None, &reason);
        }
        TaskStatus::Scheduled => {
            context.go_on(id, |_| ());
            context.tell_if_ready(id);
        }
        TaskStatus::Pending => context.change(id, |task| task.state.preferred = None),
        TaskStatus::Blocked
        | TaskStatus::Verifying
        | TaskStatus::NeedsInput
        | TaskStatus::Completed
        | TaskStatus::Failed
        | TaskStatus::Cancelled => {}
    }
}
