//! What must hold after each command, a function for each promise.

use std::collections::{BTreeMap, BTreeSet};

use super::reference::Model;
use super::store::Store;
use crate::*;

/// What was seen so far from outside: answers and events.
#[derive(Default)]
pub(super) struct Seen {
    /// Who holds what, as the events tell.
    held: BTreeMap<TaskId, Fence>,
    top_fence: Option<Fence>,
    /// How often each incarnation ended.
    ends: BTreeMap<(TaskId, u32), u32>,
    incarnations: BTreeMap<TaskId, u32>,
    named: BTreeMap<Key, TaskId>,
    created: BTreeSet<TaskId>,
    /// Grants under limits that were in force then and still are.
    starts: Vec<(Label, Timestamp)>,
}

/// A command and what came of it.
pub(super) struct Taken<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) before: &'a State,
    pub(super) step: &'a Step,
    pub(super) state: &'a State,
    pub(super) store: &'a Store,
}

impl Seen {
    /// All of them.
    pub(super) fn check(&mut self, taken: &Taken<'_>) {
        self.a_task_is_held_once(taken);
        self.fences_only_grow(taken);
        self.an_earlier_fence_is_worth_nothing(taken);
        self.nothing_is_lost(taken);
        self.an_end_is_the_end(taken);
        nothing_begins_too_early(taken);
        self.limits_are_kept(taken);
        self.a_key_names_one_task(taken);
        a_refusal_changes_nothing(taken);
        nothing_is_left_due(taken);
        the_rows_tell_the_state(taken);
    }

    /// Limits and starts count from now on; grants of before are not forgotten.
    pub(super) fn restarted(&mut self) {
        self.starts.clear();
    }

    /// I1.
    fn a_task_is_held_once(&mut self, taken: &Taken<'_>) {
        for (task, event) in task_events(taken.step) {
            match event {
                TaskEvent::Claimed { fence, .. } => {
                    let before = self.held.insert(task, *fence);
                    assert_eq!(before, None, "{task} was granted while it was held");
                }
                TaskEvent::Completed { .. }
                | TaskEvent::Failed { .. }
                | TaskEvent::Released { .. }
                | TaskEvent::Asked { .. }
                | TaskEvent::Cancelled { .. }
                | TaskEvent::Lost { .. } => drop(self.held.remove(&task)),
                TaskEvent::CheckFailed { status, .. } => {
                    if *status != TaskStatus::InProgress {
                        self.held.remove(&task);
                    }
                }
                TaskEvent::Created { .. }
                | TaskEvent::Ready {}
                | TaskEvent::Progressed(_)
                | TaskEvent::Submitted { .. }
                | TaskEvent::Answered { .. }
                | TaskEvent::NeedsInput { .. }
                | TaskEvent::CancelRequested { .. }
                | TaskEvent::Retried { .. }
                | TaskEvent::Patched {} => {}
            }
        }
        let leases =
            taken.state.queue.tasks().filter_map(|task| Some((task.id, task.state.lease.as_ref()?.fence)));
        assert_eq!(leases.collect::<BTreeMap<_, _>>(), self.held, "leases and events");
    }

    /// I2.
    fn fences_only_grow(&mut self, taken: &Taken<'_>) {
        for (task, event) in task_events(taken.step) {
            if let TaskEvent::Claimed { fence, .. } = event {
                assert!(Some(*fence) > self.top_fence, "{task} got fence {fence} after {:?}", self.top_fence);
                self.top_fence = Some(*fence);
            }
        }
        assert!(
            self.top_fence.is_none_or(|fence| fence <= taken.store.fence_limit),
            "a fence beyond those that are stored"
        );
    }

    /// I3.
    fn an_earlier_fence_is_worth_nothing(&self, taken: &Taken<'_>) {
        let Command::Task(command) = &taken.envelope.command else { return };
        let hold = match command {
            TaskCommand::Renew(hold)
            | TaskCommand::Progress(hold, _)
            | TaskCommand::Release(hold, _)
            | TaskCommand::Ask(hold, _) => *hold,
            TaskCommand::Complete(completion) => completion.hold,
            TaskCommand::Fail(failure) => failure.hold,
            TaskCommand::Create(_)
            | TaskCommand::Claim(_)
            | TaskCommand::Answer(..)
            | TaskCommand::Cancel(..)
            | TaskCommand::Retry(_)
            | TaskCommand::Patch(..)
            | TaskCommand::Checked(_)
            | TaskCommand::Find(_)
            | TaskCommand::Why(_)
            | TaskCommand::TakeBack(..) => return,
        };
        let granted = taken.before.queue.get(hold.task).and_then(|task| task.state.fence);
        if granted.is_some_and(|highest| hold.fence < highest) && !is_repeat(taken) {
            let refused = matches!(own_reply(taken), Some(Reply::Refused(_)));
            assert!(refused, "fence {} of {} was accepted after {granted:?}", hold.fence, hold.task);
        }
    }

    /// I4.
    fn nothing_is_lost(&mut self, taken: &Taken<'_>) {
        if let Some(Reply::Task(TaskReply::Created(created))) = own_reply(taken) {
            self.created.extend(created.iter().map(|task| task.id));
        }
        for (id, stored) in &taken.store.tasks {
            self.created.remove(id);
            let live = taken.state.queue.get(*id).map(|task| task.state.status);
            let ended = taken.state.queue.fate(*id);
            assert!(live.is_some() != ended.is_some(), "{id} is in {live:?} and in {ended:?}");
            assert_eq!(live.or(ended), Some(stored.task.state.status), "{id}");
        }
        assert!(self.created.is_empty(), "{:?} were made and are not stored", self.created);
    }

    /// I6.
    fn an_end_is_the_end(&mut self, taken: &Taken<'_>) {
        for (task, event) in task_events(taken.step) {
            let incarnation = self.incarnations.entry(task).or_insert(1);
            if let TaskEvent::Retried { incarnation: next } = event {
                assert_eq!(*next, *incarnation + 1, "{task}");
                assert_eq!(
                    self.ends.get(&(task, *incarnation)),
                    Some(&1),
                    "{task} was retried before its end"
                );
                *incarnation = *next;
            }
            let ends = self.ends.entry((task, *incarnation)).or_default();
            assert_eq!(*ends, 0, "{task}: {event:?} after its end");
            *ends += u32::from(is_end(event));
        }
        for (id, stored) in &taken.store.tasks {
            let ends = self.ends.get(&(*id, stored.task.state.incarnation)).copied().unwrap_or_default();
            assert_eq!(ends == 1, stored.task.state.status.is_terminal(), "{id} ended {ends} times");
        }
    }

    /// I8.
    fn limits_are_kept(&mut self, taken: &Taken<'_>) {
        let rules = &taken.store.rules;
        self.starts.retain(|(label, at)| {
            rules.limits.labels.contains_key(label) && taken.envelope.now.since(*at).as_millis() < 1_000
        });
        let running = |wanted: &dyn Fn(&Task) -> bool| {
            let tasks = taken.store.tasks.values().map(|stored| &stored.task);
            tasks.filter(|task| task.state.lease.is_some() && wanted(task)).count()
        };
        if *rules != taken.before.queue.rules
            || matches!(&taken.envelope.command, Command::Task(TaskCommand::Patch(..)))
        {
            self.starts.clear(); // Which rules and labels were in force at a grant of this step cannot be told from outside.
            return;
        }
        // Work whose check failed goes back to its holder, whatever that one took on meanwhile.
        let came_back: Vec<TaskId> = task_events(taken.step)
            .filter(|(_, event)| matches!(event, TaskEvent::CheckFailed { .. }))
            .map(|(task, _)| task)
            .collect();
        for (task, event) in task_events(taken.step) {
            let TaskEvent::Claimed { .. } = event else { continue };
            let task = &taken.store.tasks[&task].task;
            let Some(lease) = &task.state.lease else { continue };
            for (label, limit) in
                task.spec.labels.iter().filter_map(|label| Some((label, rules.limits.labels.get(label)?)))
            {
                self.starts.push((label.clone(), taken.envelope.now));
                let starts = self.starts.iter().filter(|(other, _)| other == label).count();
                let held = running(&|task| task.spec.labels.contains(label));
                assert!(limit.concurrent.is_none_or(|most| held <= most as usize), "{held} of {label} run");
                assert!(
                    limit.starts_per_second.is_none_or(|most| starts <= most as usize),
                    "{starts} of {label} start"
                );
            }
            let limit = rules.limits.agents.get(&lease.holder).copied().or(rules.limits.per_agent);
            let theirs = running(&|task| {
                let holder = task.state.lease.as_ref().map(|lease| &lease.holder);
                let at_work = task.state.status == TaskStatus::InProgress && !came_back.contains(&task.id);
                at_work && holder == Some(&lease.holder)
            });
            assert!(limit.is_none_or(|most| theirs <= most as usize), "{} holds {theirs}", lease.holder);
        }
    }

    /// I10.
    fn a_key_names_one_task(&mut self, taken: &Taken<'_>) {
        let (Command::Task(TaskCommand::Create(new)), Some(Reply::Task(TaskReply::Created(created)))) =
            (&taken.envelope.command, own_reply(taken))
        else {
            return;
        };
        for (new, created) in new.iter().zip(created) {
            let Some(key) = &new.spec.key else { continue };
            let named = *self.named.entry(key.clone()).or_insert(created.id);
            assert_eq!(named, created.id, "{key} names two tasks");
        }
    }
}

/// I7.
fn nothing_begins_too_early(taken: &Taken<'_>) {
    let Taken { store, envelope, .. } = taken;
    for (id, event) in task_events(taken.step) {
        let TaskEvent::Claimed { .. } = event else { continue };
        if matches!(&envelope.command, Command::Task(TaskCommand::Patch(patched, _)) if *patched == id) {
            continue; // What was asked for when it began may have been something else.
        }
        let spec = &store.tasks[&id].task.spec;
        for parent in &spec.depends_on {
            // A parent that this very step retried had ended when the child began.
            let retried = matches!(&envelope.command, Command::Task(TaskCommand::Retry(stored)) if stored.task.id == *parent);
            let ended_before = taken.before.queue.fate(*parent).filter(|_| retried);
            let status = ended_before.unwrap_or(store.tasks[parent].task.state.status);
            let well = match spec.on_parent_failure {
                OnParentFailure::Cancel => status == TaskStatus::Completed,
                OnParentFailure::Run | OnParentFailure::Ignore => status.is_terminal(),
            };
            assert!(well, "{id} began while {parent} was {status}");
        }
        assert!(spec.not_before.is_none_or(|at| at <= envelope.now), "{id} began before its time");
        assert!(spec.deadline.is_none_or(|at| at > envelope.now), "{id} began after its deadline");
        let stop = |rules: &QueueRules| {
            rules.paused || spec.labels.iter().any(|label| rules.paused_labels.contains(label))
        };
        let paused = stop(&taken.before.queue.rules) && stop(&store.rules);
        assert!(!paused, "{id} began while paused");
    }
}

/// I11: nothing but what time alone would have brought.
fn a_refusal_changes_nothing(taken: &Taken<'_>) {
    let Some(Reply::Refused(why)) = own_reply(taken) else { return };
    let mut state = taken.before.clone();
    let command = Command::Tick;
    let tick = Envelope { caller: Caller::Server, command, keyed: None, ..taken.envelope.clone() };
    let step = step(&mut state, tick, &mut HostOrder);
    assert_eq!(state, *taken.state, "a refusal changed the state: {why}");
    assert_eq!(
        (&step.rows, &step.events),
        (&taken.step.rows, &taken.step.events),
        "a refusal left traces: {why}"
    );
}

/// The next call for [`Command::Tick`] is for later.
fn nothing_is_left_due(taken: &Taken<'_>) {
    let due = taken.state.next_due();
    assert!(due.is_none_or(|at| at > taken.envelope.now), "due at {due:?} and left so");
}

/// Where each task stands.
pub(super) fn the_model_agrees(taken: &Taken<'_>, model: &Model) {
    assert_eq!(model.rules, taken.store.rules);
    assert_eq!(model.tasks.len(), taken.store.tasks.len());
    for (id, expected) in &model.tasks {
        let Some(task) = taken.state.queue.get(*id) else {
            assert_eq!(taken.state.queue.fate(*id), Some(expected.state.status), "{id}");
            continue;
        };
        let state = TaskState { updated_at: task.state.updated_at, ..expected.state.clone() };
        assert_eq!((&task.spec, &task.creator), (&expected.spec, &expected.creator), "{id}");
        assert_eq!(task.state, state, "{id}");
    }
    let waiting: Vec<Waiter> = model.waiting.iter().map(|waits| waits.waiter).collect();
    assert_eq!(taken.state.queue.waiting.waiters(), waiting, "who waits");
}

/// I12.
fn the_rows_tell_the_state(taken: &Taken<'_>) {
    let Taken { state, store, .. } = taken;
    let rebuilt = store.rebuild(state.boot.0, taken.envelope.now);
    assert_eq!(rebuilt.queue.projection(state.last_task), state.queue.projection(state.last_task));
    assert_eq!(rebuilt.remembered.all(), state.remembered.all());
    assert_eq!(rebuilt.crew.stored(), state.crew.stored());
    assert_eq!(
        (rebuilt.last_task, rebuilt.fence_limit, rebuilt.last_event, rebuilt.agents, rebuilt.tokens),
        (state.last_task, state.fence_limit, state.last_event, state.agents.clone(), state.tokens.clone()),
    );
}

/// The answer that came at once, if one did.
pub(super) fn own_reply<'a>(taken: &Taken<'a>) -> Option<&'a Reply> {
    let replies = &taken.step.replies;
    replies.iter().find(|(waiter, _)| *waiter == taken.envelope.waiter).map(|(_, reply)| reply)
}

/// Whether the answer is one that was given before.
fn is_repeat(taken: &Taken<'_>) -> bool {
    let (Some(keyed), Caller::Agent(agent)) = (&taken.envelope.keyed, &taken.envelope.caller) else {
        return false;
    };
    let before = taken.before;
    before.remembered.get(agent, &keyed.key, taken.envelope.now).is_some()
        || !before
            .queue
            .waiting
            .find(|claim| claim.agent == *agent && claim.keyed.as_ref() == Some(keyed))
            .is_empty()
}

fn is_end(event: &TaskEvent) -> bool {
    matches!(
        event,
        TaskEvent::Completed { .. }
            | TaskEvent::Cancelled { .. }
            | TaskEvent::Failed { again_at_ms: None, .. }
    )
}

pub(super) fn task_events(step: &Step) -> impl Iterator<Item = (TaskId, &TaskEvent)> {
    step.events.iter().filter_map(|event| match &event.kind {
        EventKind::Task(about) => Some((about.task, &about.event)),
        _ => None,
    })
}
