//! Holding a task.

use super::super::{Answer, Context};
use crate::{
    AgentName, Held, Hold, Lease, Progress, Refusal, Reply, Role, Session, Task, TaskEvent, TaskId,
    TaskRefusal, TaskReply, TaskStatus,
};

/// A holder whose client names no session keeps its leases by any call, until it has told nothing about the task
/// for so long: 30 min.
const SILENT_MS: u64 = 30 * 60 * 1_000;

/// Keeps the leases that a sign of life keeps. Nothing is written: after a restart every lease begins anew.
pub(in super::super) fn keep(context: &mut Context<'_>, agent: &AgentName, session: Option<&Session>) {
    let now = context.now;
    let kept = |lease: &Lease| match &lease.session {
        Some(claimed_by) => session == Some(claimed_by),
        None => lease.progressed_at.plus_millis(SILENT_MS) > now,
    };
    for id in context.state.queue.running.held_by(agent).to_vec() {
        let lease = context.state.queue.get(id).and_then(|task| task.state.lease.as_ref());
        let later = lease.filter(|lease| kept(lease)).map(|lease| lease.renewed_until(now));
        if let Some(expires_at) = later {
            extend(context, id, |lease| lease.expires_at = expires_at);
        }
    }
}

pub(super) fn renew(context: &mut Context<'_>, hold: Hold) -> Answer {
    held(context, hold)?;
    prolong(context, hold.task);
    Ok(still_held(context, hold))
}

pub(super) fn progress(context: &mut Context<'_>, hold: Hold, progress: Progress) -> Answer {
    held(context, hold)?;
    prolong(context, hold.task);
    context.change(hold.task, |task| task.state.progress = Some(progress.clone()));
    context.callers_task_event(hold.task, TaskEvent::Progressed(progress));
    Ok(still_held(context, hold))
}

/// The task, if the caller holds it under this fence.
pub(in super::super) fn held<'a>(context: &'a Context<'_>, hold: Hold) -> Result<&'a Task, Refusal> {
    held_by(context, &context.agent(Role::Worker)?.name, hold)
}

/// The task, if this agent holds it under this fence.
pub(in super::super) fn held_by<'a>(
    context: &'a Context<'_>,
    agent: &AgentName,
    hold: Hold,
) -> Result<&'a Task, Refusal> {
    match held_by_somebody(context, hold)? {
        (task, lease) if lease.holder == *agent => Ok(task),
        (task, _) => Err(stale(task, hold)),
    }
}

/// The task and its lease, if it is held under this fence.
pub(super) fn held_by_somebody<'a>(
    context: &'a Context<'_>,
    hold: Hold,
) -> Result<(&'a Task, &'a Lease), Refusal> {
    let task = find(context, hold)?;
    match &task.state.lease {
        Some(lease) if task.state.status == TaskStatus::InProgress && lease.fence == hold.fence => {
            Ok((task, lease))
        }
        Some(_) | None => Err(stale(task, hold)),
    }
}

fn find<'a>(context: &'a Context<'_>, hold: Hold) -> Result<&'a Task, Refusal> {
    let Hold { task, fence } = hold;
    context.state.queue.get(task).ok_or_else(|| match context.state.queue.fate(task) {
        Some(status) => TaskRefusal::StaleLease { task, fence, status, holder: None }.into(),
        None => TaskRefusal::NoSuchTask(task).into(),
    })
}

fn stale(task: &Task, hold: Hold) -> Refusal {
    let holder = task.state.lease.as_ref().map(|lease| (lease.holder.clone(), lease.fence));
    TaskRefusal::StaleLease { task: task.id, fence: hold.fence, status: task.state.status, holder }.into()
}

fn prolong(context: &mut Context<'_>, id: TaskId) {
    let now = context.now;
    extend(context, id, |lease| {
        lease.progressed_at = now;
        lease.expires_at = lease.renewed_until(now);
    });
}

fn extend(context: &mut Context<'_>, id: TaskId, change: impl FnOnce(&mut Lease)) {
    context.state.queue.update(id, |task| {
        if let Some(lease) = &mut task.state.lease {
            change(lease);
        }
    });
}

fn still_held(context: &Context<'_>, hold: Hold) -> Reply {
    let task = context.state.queue.get(hold.task);
    let expires_at =
        task.and_then(|task| task.state.lease.as_ref()).map_or(context.now, |lease| lease.expires_at);
    let cancel_requested = task.is_some_and(|task| task.state.cancel_requested);
    Reply::Task(TaskReply::Held(Held { hold, expires_at, cancel_requested }))
}
