//! What every change of a task has in common.

use std::sync::Arc;

use super::super::{Context, Effect, commit, crew, lock};
use super::finish::judge;
use crate::{
    AgentName, Hold, Note, NoteKind, OnParentFailure, Placing, Row, Task, TaskEvent, TaskId, TaskRow,
    TaskState, TaskStatus, Verdict,
};

/// After so many lost workers a task waits for somebody to look at it.
const MAX_LOST: u32 = 3;

impl Context<'_> {
    /// Changes a task that has not ended. What it is asked for is written by whoever changes that.
    pub(in super::super) fn change(&mut self, id: TaskId, change: impl FnOnce(&mut Task)) {
        let before = self.state.queue.hold_on(id);
        let held = self.state.queue.get(id).and_then(|task| {
            let lease = task.state.lease.as_ref()?;
            Some((task.placing.group.clone(), lease.claimed_at))
        });
        let (now, rows) = (self.now, &mut self.step.rows);
        self.state.queue.update(id, |task| {
            change(task);
            task.state.updated_at = now;
            rows.push(Row::Task(TaskRow::SetState(id, Box::new(task.state.clone()))));
        });
        if let Some(hold) = before.filter(|_| self.state.queue.hold_on(id) != before) {
            lock::lease_ended(self, hold);
            if let Some((group, since)) = held {
                let ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
                self.state.queue.running.note_served(&group, ms, now);
            }
        }
    }

    /// As [`Context::change`], and lets the task go on: it stands wherever what it waits for puts it, and is over if
    /// that ended badly while somebody had it.
    pub(in super::super) fn go_on(&mut self, id: TaskId, change: impl FnOnce(&mut TaskState)) {
        let Some(mut task) = self.state.queue.get(id).cloned() else { return };
        change(&mut task.state);
        let over =
            self.ended_badly(&task).next().filter(|_| task.spec.on_parent_failure == OnParentFailure::Cancel);
        self.place(&mut task);
        self.change(id, |old| *old = task);
        if let Some(parent) = over {
            cancel_now(self, id, None, &format!("{parent}, which it depends on, ended badly").into());
        }
    }

    /// What a task depends on and what failed or was cancelled.
    pub(super) fn ended_badly<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = TaskId> + 'a {
        let bad = |parent: &TaskId| match self.state.queue.fate(*parent) {
            Some(TaskStatus::Failed | TaskStatus::Cancelled) => true,
            Some(_) | None => false,
        };
        task.spec.depends_on.iter().copied().filter(bad)
    }

    /// Where a task stands that nobody holds and nothing has ended.
    pub(super) fn place(&mut self, task: &mut Task) {
        let times = task.state.waits_until.into_iter().chain(task.spec.not_before);
        let waits_until = times.filter(|at| *at > self.now).max();
        let status = if self.state.queue.unmet(task).next().is_some() {
            TaskStatus::Blocked
        } else if waits_until.is_some() {
            TaskStatus::Scheduled
        } else {
            let order = self.state.queue.ready.newest();
            let place = self.decide.rank(order.by.as_ref(), &[task], self.now).and_then(|mut it| it.pop());
            task.placing = match place {
                Some((rank, group)) => Placing { rank, group, order: order.number },
                None => Placing::by_host(task),
            };
            TaskStatus::Pending
        };
        let state = &mut task.state;
        (state.status, state.waits_until) = (status, waits_until);
        (state.lease, state.progress, state.cancel_requested) = (None, None, false);
    }

    /// Says so if a task that waited may be claimed now.
    pub(in super::super) fn tell_if_ready(&mut self, id: TaskId) {
        if self.state.queue.get(id).is_some_and(|task| task.state.status == TaskStatus::Pending) {
            self.task_event(None, id, TaskEvent::Ready {});
        }
    }

    /// Leaves a note with a task, unless it says nothing.
    pub(in super::super) fn note(
        &mut self,
        id: TaskId,
        kind: NoteKind,
        agent: Option<AgentName>,
        text: &Arc<str>,
    ) {
        if !text.is_empty() {
            let note = Note { kind, agent, at: self.now, text: Arc::clone(text) };
            self.step.rows.push(Row::Task(TaskRow::AddNote(id, note)));
        }
    }

    /// Leaves a note of the caller's.
    pub(super) fn callers_note(&mut self, id: TaskId, kind: NoteKind, text: &Arc<str>) {
        self.note(id, kind, self.author(), text);
    }
}

/// Ends a task, and what that means for others: work that it checks is judged, children go on or end in turn.
/// `by` and `why` are what a check's work is told; whoever ends a task says so in its events and notes.
pub(in super::super) fn end(
    context: &mut Context<'_>,
    id: TaskId,
    status: TaskStatus,
    by: Option<AgentName>,
    why: &Arc<str>,
) {
    close(context, id, status, by, why);
    let mut endings = vec![(id, status)];
    while let Some((parent, status)) = endings.pop() {
        for child in context.state.queue.dependents_of(parent) {
            let Some(task) = context.state.queue.get(child) else { continue };
            let goes_on = status == TaskStatus::Completed
                || match task.spec.on_parent_failure {
                    OnParentFailure::Run | OnParentFailure::Ignore => true,
                    OnParentFailure::Cancel => false,
                };
            if goes_on {
                context.go_on(child, |_| ());
                context.tell_if_ready(child);
            } else {
                let reason: Arc<str> = format!("{parent}, which it depends on, is {status}").into();
                tell_cancelled(context, child, None, &reason);
                close(context, child, TaskStatus::Cancelled, None, &reason);
                endings.push((child, TaskStatus::Cancelled));
            }
        }
    }
}

fn close(context: &mut Context<'_>, id: TaskId, status: TaskStatus, by: Option<AgentName>, why: &Arc<str>) {
    let checks = context.state.queue.get(id).and_then(|task| task.spec.checks);
    context.change(id, |task| {
        task.state.status = status;
        task.state.lease = None;
        task.state.waits_until = None;
    });
    if let Some(work) = checks {
        let passed = status == TaskStatus::Completed;
        judge(context, by, &Verdict { hold: work, passed, output: Arc::clone(why) });
    }
}

/// Ends a task that is not wanted any more.
pub(super) fn cancel_now(context: &mut Context<'_>, id: TaskId, agent: Option<AgentName>, reason: &Arc<str>) {
    tell_cancelled(context, id, agent.clone(), reason);
    end(context, id, TaskStatus::Cancelled, agent, reason);
}

/// Ends a task whose holder was asked to stop, and did.
pub(super) fn cancel_as_asked(context: &mut Context<'_>, id: TaskId) {
    cancel_now(context, id, None, &"as was asked while it was in progress".into());
}

fn tell_cancelled(context: &mut Context<'_>, id: TaskId, agent: Option<AgentName>, reason: &Arc<str>) {
    context.note(id, NoteKind::Cancellation, agent.clone(), reason);
    context.task_event(agent, id, TaskEvent::Cancelled { reason: Arc::clone(reason) });
}

/// The end of a lease without a word from its holder. A run that carries the lease speaks for it, until its hard end.
pub(in super::super) fn lost(context: &mut Context<'_>, id: TaskId) {
    let Some(task) = context.state.queue.get(id) else { return };
    let Some(lease) = task.state.lease.clone() else { return };
    let hold = Hold { task: id, fence: lease.fence };
    if lease.hard_end > context.now && context.state.runs.values().any(|run| run.hold == Some(hold)) {
        let expires_at = lease.renewed_until(context.now);
        context.state.queue.update(id, |task| {
            if let Some(lease) = &mut task.state.lease {
                lease.expires_at = expires_at;
            }
        });
        return;
    }
    let lost_count = task.state.lost_count + 1;
    let cancelled = task.state.cancel_requested;
    let event = TaskEvent::Lost { holder: lease.holder.clone(), fence: lease.fence, lost_count };
    commit::lease_lost(context, &lease.holder, hold);
    context.task_event(None, id, event);
    kill_runs(context, hold);
    lock::lease_lost(context, hold);
    if cancelled {
        cancel_as_asked(context, id);
    } else if lost_count >= MAX_LOST {
        let reason: Arc<str> =
            format!("{lost_count} workers in turn were lost; answer to let it go on").into();
        needs_input(context, id, |state| state.lost_count = lost_count);
        context.note(id, NoteKind::Question, None, &reason);
        context.task_event(None, id, TaskEvent::NeedsInput { reason });
    } else {
        context.go_on(id, |state| state.lost_count = lost_count);
    }
    crew::lapsed(context, &lease.holder, lease.ttl_ms);
}

/// Stops a task until somebody decides.
pub(super) fn needs_input(context: &mut Context<'_>, id: TaskId, change: impl FnOnce(&mut TaskState)) {
    context.change(id, |task| {
        change(&mut task.state);
        task.state.status = TaskStatus::NeedsInput;
        task.state.lease = None;
        task.state.progress = None;
    });
}

/// A lease that ends takes its runs along: what they would publish is no longer theirs to publish.
pub(super) fn kill_runs(context: &mut Context<'_>, hold: Hold) {
    let runs = context.state.runs.values().filter(|run| run.hold == Some(hold));
    let reason = || format!("its lease on {} ended", hold.task);
    context.step.effects.extend(runs.map(|run| Effect::KillRun { run: run.id, reason: reason() }));
}
