//! Questions and answers.

use std::sync::Arc;

use super::super::{Answer, Context};
use super::change::{cancel_as_asked, kill_runs, needs_input};
use super::finish::now_stands;
use super::hold::held;
use crate::{AgentName, Hold, NoteKind, Preferred, TaskEvent, TaskId, TaskRefusal, TaskStatus};

/// How long an answered task is kept for whoever asked: 1 min.
const KEPT_MS: u64 = 60_000;

pub(super) fn ask(context: &mut Context<'_>, hold: Hold, question: &Arc<str>) -> Answer {
    let task = held(context, hold)?;
    let cancelled = task.state.cancel_requested;
    let asker = context.author();
    kill_runs(context, hold);
    context.callers_note(hold.task, NoteKind::Question, question);
    context.callers_task_event(hold.task, TaskEvent::Asked { question: Arc::clone(question) });
    if cancelled {
        cancel_as_asked(context, hold.task);
    } else {
        // Until when it is kept for its asker is known when the answer comes.
        let until = context.now;
        needs_input(context, hold.task, |state| {
            state.preferred = asker.map(|agent| Preferred { agent, until });
        });
    }
    Ok(now_stands(context, hold.task))
}

pub(super) fn answer(context: &mut Context<'_>, id: TaskId, text: &Arc<str>) -> Answer {
    let task = context.steered(id)?;
    let status = task.state.status;
    if status != TaskStatus::NeedsInput {
        return Err(TaskRefusal::WrongStatus { task: id, status, needs: "needs_input" }.into());
    }
    let until = context.now.plus_millis(KEPT_MS);
    context.callers_note(id, NoteKind::Answer, text);
    context.callers_task_event(id, TaskEvent::Answered { text: Arc::clone(text) });
    let asker = asker(context, id).filter(|agent| context.state.agents.contains_key(agent));
    let is_spent = is_spent(context, id);
    context.go_on(id, |state| {
        if is_spent {
            state.budget_from = state.usage;
        }
        state.lost_count = 0;
        state.preferred = asker.map(|agent| Preferred { agent, until });
    });
    Ok(now_stands(context, id))
}

/// A task has used what it may: it waits until somebody decides.
pub(in super::super) fn budget_spent(context: &mut Context<'_>, hold: Hold, spent: &str) {
    let Some(task) = context.state.queue.get(hold.task) else { return };
    let (cancelled, holder) = (task.state.cancel_requested, context.author());
    kill_runs(context, hold);
    if cancelled {
        return cancel_as_asked(context, hold.task);
    }
    let reason: Arc<str> =
        format!("its budget is spent, {spent}; answer to let it go on with as much again").into();
    let until = context.now;
    needs_input(context, hold.task, |state| {
        state.preferred = holder.map(|agent| Preferred { agent, until });
    });
    context.note(hold.task, NoteKind::Question, None, &reason);
    context.task_event(None, hold.task, TaskEvent::NeedsInput { reason });
}

/// Whether a task has used what it may.
fn is_spent(context: &Context<'_>, id: TaskId) -> bool {
    context.state.queue.get(id).is_some_and(|task| task.spent().is_some())
}

fn asker(context: &Context<'_>, id: TaskId) -> Option<AgentName> {
    Some(context.state.queue.get(id)?.state.preferred.as_ref()?.agent.clone())
}
