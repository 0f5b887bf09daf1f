//! The end of an attempt.

use std::sync::Arc;

use super::super::{Answer, Context, Effect, stands};
use super::change::{cancel_as_asked, end, kill_runs};
use super::hold::{held, held_by_somebody};
use super::{claim, create};
use crate::{
    Again, AgentName, Completion, Failure, Hold, Keyed, NoteKind, Refusal, Reply, Role, Stands, TaskEvent,
    TaskId, TaskReply, TaskStatus, Verdict, Verify,
};

pub(super) fn complete(
    context: &mut Context<'_>,
    completion: Completion,
    keyed: Option<&Keyed>,
) -> Result<Option<Reply>, Refusal> {
    let Completion { hold, result, next } = completion;
    let task = held(context, hold)?;
    let (id, verify) = (task.id, task.spec.verify.clone());
    if let Some(next) = &next {
        claim::check(next)?;
    }
    context.callers_note(id, NoteKind::Result, &result);
    let status = match verify {
        Some(verify) => submit(context, hold, &verify),
        None => {
            let author = context.author();
            finish(context, hold, author, &result);
            TaskStatus::Completed
        }
    };
    let stands = Stands { id, status };
    match next {
        Some(next) => claim::claim(context, next, keyed, Some(stands)),
        None => Ok(Some(Reply::Task(TaskReply::Stands(stands)))),
    }
}

/// Has the work checked. The server holds the lease meanwhile, under the same fence.
fn submit(context: &mut Context<'_>, hold: Hold, verify: &Verify) -> TaskStatus {
    kill_runs(context, hold);
    context.change(hold.task, |task| {
        task.state.status = TaskStatus::Verifying;
        task.state.cancel_requested = false;
    });
    context.callers_task_event(hold.task, TaskEvent::Submitted { fence: hold.fence });
    let Some(task) = context.state.queue.get(hold.task).cloned() else { return TaskStatus::Verifying };
    match verify {
        Verify::Run(_) => context.step.effects.extend(Effect::of_task(&task)),
        Verify::Agent(capability) => create::create_check(context, hold, capability, &task),
    }
    TaskStatus::Verifying
}

fn finish(context: &mut Context<'_>, hold: Hold, agent: Option<AgentName>, why: &Arc<str>) {
    kill_runs(context, hold);
    if let Some(name) = &agent {
        context.state.crew.completed(name, hold.task);
    }
    context.task_event(agent.clone(), hold.task, TaskEvent::Completed { fence: hold.fence });
    end(context, hold.task, TaskStatus::Completed, agent, why);
}

/// What a check said, from the server.
pub(super) fn checked(context: &mut Context<'_>, verdict: &Verdict) -> Answer {
    context.not_an_agent()?;
    judge(context, None, verdict);
    Ok(Reply::Done)
}

/// Ends the check of a task. One that is not being checked under this fence any more is left alone.
pub(super) fn judge(context: &mut Context<'_>, by: Option<AgentName>, verdict: &Verdict) {
    let Verdict { hold, passed, output } = verdict;
    let Some(task) = context.state.queue.get(hold.task) else { return };
    let Some(lease) = task.state.lease.clone() else { return };
    if task.state.status != TaskStatus::Verifying || lease.fence != hold.fence {
        return;
    }
    context.note(hold.task, NoteKind::Check, by.clone(), output);
    if *passed {
        return finish(context, *hold, Some(lease.holder), output);
    }
    let goes_on = lease.hard_end > context.now && context.state.agents.contains_key(&lease.holder);
    let now = context.now;
    // Whatever it waits for then, and it may be over: what is told of its end comes last.
    let status = if goes_on { TaskStatus::InProgress } else { TaskStatus::Pending };
    context.task_event(by, hold.task, TaskEvent::CheckFailed { fence: hold.fence, status });
    if goes_on {
        context.change(hold.task, |task| {
            task.state.status = status;
            if let Some(lease) = &mut task.state.lease {
                lease.expires_at = now.plus_millis(lease.ttl_ms).min(lease.hard_end);
                lease.progressed_at = now;
            }
        });
    } else {
        context.go_on(hold.task, |_| ());
    }
}

pub(super) fn fail(context: &mut Context<'_>, failure: Failure) -> Answer {
    let Failure { hold, reason, again } = failure;
    let task = held(context, hold)?;
    let (id, attempt) = (task.id, task.state.attempt + 1);
    let tries_again = attempt < task.spec.max_attempts && again == Again::IfAttemptsAreLeft;
    let cancelled = task.state.cancel_requested;
    let again_at = tries_again.then(|| context.now.plus(task.spec.backoff.after(attempt, context.seed)));
    kill_runs(context, hold);
    context.callers_note(id, NoteKind::Failure, &reason);
    if cancelled {
        cancel_as_asked(context, id);
        return Ok(now_stands(context, hold.task));
    }
    let event = TaskEvent::Failed { attempt, reason: Arc::clone(&reason), again_at_ms: again_at };
    context.callers_task_event(id, event);
    if again_at.is_some() {
        context.go_on(id, |state| {
            state.attempt = attempt;
            state.waits_until = again_at;
        });
    } else {
        context.change(id, |task| task.state.attempt = attempt);
        let author = context.author();
        end(context, id, TaskStatus::Failed, author, &reason);
    }
    Ok(now_stands(context, hold.task))
}

pub(super) fn release(context: &mut Context<'_>, hold: Hold, note: &Arc<str>) -> Answer {
    if context.at_least(Role::Coordinator).is_err() {
        held(context, hold)?;
    }
    held_by_somebody(context, hold)?;
    let author = context.author();
    give_back(context, hold, author, note);
    Ok(now_stands(context, hold.task))
}

/// Takes back grants that nobody got to know of: as if they had never been given, save for their fences.
pub(super) fn take_back(context: &mut Context<'_>, agent: &AgentName, holds: &[Hold]) -> Answer {
    context.not_an_agent()?;
    for hold in holds {
        if held_by_somebody(context, *hold).is_ok_and(|(_, lease)| lease.holder == *agent) {
            give_back(context, *hold, None, &"its claim could not be answered".into());
        }
    }
    Ok(Reply::Done)
}

/// Gives back all that an agent holds.
pub(in super::super) fn give_all_back(context: &mut Context<'_>, agent: &AgentName, note: &Arc<str>) {
    for id in context.state.queue.running.held_by(agent).to_vec() {
        let fence = context.state.queue.get(id).and_then(|task| task.state.fence);
        if let Some(fence) = fence {
            let author = context.author().filter(|author| author == agent);
            give_back(context, Hold { task: id, fence }, author, note);
        }
    }
}

fn give_back(context: &mut Context<'_>, hold: Hold, agent: Option<AgentName>, note: &Arc<str>) {
    kill_runs(context, hold);
    context.note(hold.task, NoteKind::HandOff, agent.clone(), note);
    context.task_event(agent, hold.task, TaskEvent::Released { fence: hold.fence, note: Arc::clone(note) });
    if context.state.queue.get(hold.task).is_some_and(|task| task.state.cancel_requested) {
        cancel_as_asked(context, hold.task);
    } else {
        context.go_on(hold.task, |_| ());
    }
}

/// Where the task stands after all that.
pub(super) fn now_stands(context: &Context<'_>, id: TaskId) -> Reply {
    let queue = &context.state.queue;
    let status = queue.get(id).map(|task| task.state.status).or_else(|| queue.fate(id));
    stands(id, status.unwrap_or(TaskStatus::Pending))
}
