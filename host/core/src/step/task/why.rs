//! Why a task runs, or does not.

use super::super::{Answer, Context};
use crate::queue::{Blocker, has_all};
use crate::{Reply, Task, TaskId, TaskRefusal, TaskReply, TaskStatus, Why};

pub(super) fn why(context: &Context<'_>, id: TaskId) -> Answer {
    let queue = &context.state.queue;
    let why = match (queue.get(id), queue.fate(id)) {
        (Some(task), _) => of_live(context, task),
        (None, Some(status)) => vec![Why::Stands(status)],
        (None, None) => return Err(TaskRefusal::NoSuchTask(id).into()),
    };
    Ok(Reply::Task(TaskReply::Why(why)))
}

fn of_live(context: &Context<'_>, task: &Task) -> Vec<Why> {
    let queue = &context.state.queue;
    let state = &task.state;
    let mut why = vec![Why::Stands(state.status)];
    match state.status {
        TaskStatus::Blocked => why.push(Why::WaitsFor(queue.unmet(task).collect())),
        TaskStatus::Scheduled => why.extend(state.waits_until.map(Why::WaitsUntil)),
        TaskStatus::InProgress | TaskStatus::Verifying => {
            why.extend(state.lease.as_ref().map(|lease| Why::HeldBy(lease.holder.clone(), lease.fence)));
        }
        TaskStatus::Pending => of_pending(context, task, &mut why),
        TaskStatus::NeedsInput | TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => {}
    }
    why
}

fn of_pending(context: &Context<'_>, task: &Task, why: &mut Vec<Why>) {
    let queue = &context.state.queue;
    if queue.rules.paused {
        why.push(Why::QueuePaused);
    }
    let class = queue.class(task);
    let closed = queue.rules.closed_by(&class, &queue.running, &queue.rates, context.now);
    why.extend(closed.map(|label| Why::LabelClosed(label.clone())));
    match queue.parked.blocker_of(task.id) {
        Some(Blocker::Task(other)) => why.push(Why::PathsOfTask(other)),
        Some(Blocker::Lock(lock)) => why.push(Why::PathsLocked(lock)),
        None => {}
    }
    why.extend(task.spec.assigned_to.clone().map(Why::AssignedTo));
    let mut agents = context.state.agents.values();
    if !agents.any(|agent| has_all(&agent.capabilities, &task.spec.capabilities)) {
        why.push(Why::NobodyCan);
    }
    let (rank, group) = (task.placing.rank, task.placing.group.clone());
    why.push(Why::Ranked { rank, group, by: queue.ready.serving().order.by.clone() });
}
