//! The one function that changes coordination state.
//!
//! What happens to a task, by where it stands and what is asked. A blank is refused with
//! [`TaskRefusal::WrongStatus`](crate::TaskRefusal) or, where a fence has to be shown,
//! [`TaskRefusal::StaleLease`](crate::TaskRefusal).
//!
//! | | blocked | scheduled | pending | in_progress | verifying | needs_input | completed | failed, cancelled |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | claim | | | in_progress | `AlreadyClaimed` | | | | |
//! | renew, progress | | | | stays | | | | |
//! | complete | | | | completed; verifying if it has a check | | | | |
//! | fail | | | | scheduled; failed without attempts left; cancelled if that was asked | | | | |
//! | release | | | | pending; cancelled if that was asked | | | | |
//! | ask | | | | needs_input | | | | |
//! | answer | | | | | | pending | | |
//! | cancel | cancelled | cancelled | cancelled | stays, its holder is told | cancelled | cancelled | | |
//! | retry | | | | | | | | pending |
//! | patch | stays, or follows what it waits for | as before | as before | stays | stays | stays | | |
//! | check passed | | | | | completed | | | |
//! | check failed | | | | | in_progress; pending if its holder is gone | | | |
//! | its time comes | | pending | stays, open to all | pending; needs_input after three losses; cancelled if that was asked | | | | |
//! | its deadline comes | failed | failed | failed | stays | stays | failed | | |
//! | a parent ends well | pending with the last one | | | | | | | |
//! | a parent ends badly | as `on_parent_failure` says | | | | | | | |
//!
//! What a task is checked by does not change while it is being checked.
//!
//! *pending* stands for wherever a task goes that is free to go on: blocked while it waits for others, scheduled
//! while it waits for a time.

mod agent;
mod authority;
mod commit;
mod crew;
mod due;
mod lock;
mod policy;
mod queue;
mod repeat;
mod run;
mod talk;
mod task;
#[cfg(test)]
mod tests;

use crate::{
    AboutTask, AgentName, Caller, Chosen, Claimed, Command, Decide, Denied, Envelope, Event, EventKind,
    EventSeq, Fence, Hold, HookName, Refusal, Reply, Row, RunId, State, Task, TaskEvent, TaskId, TaskReply,
    TaskStatus, Timestamp, Verify, Waiter,
};

/// What one command led to. Nothing of it has happened yet: the store writes rows and events in one
/// transaction, then sends the replies, publishes the events and hands out the effects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Changes to what is stored.
    pub rows: Vec<Row>,
    /// What happened.
    pub events: Vec<Event>,
    /// What is to be done outside.
    pub effects: Vec<Effect>,
    /// Whom to tell what.
    pub replies: Vec<(Waiter, Reply)>,
}

/// Something to be done outside once the step is durable. Doing it twice, or never finding its object, is fine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Stop this run; its end comes back as [`Command::EndRun`].
    KillRun {
        /// Which.
        run: RunId,
        /// What its record will say.
        reason: String,
    },
    /// Run this task's check; what it says comes back as [`TaskCommand::Checked`](crate::TaskCommand).
    Check {
        /// Of which work.
        hold: Hold,
        /// What to run.
        argv: Vec<String>,
        /// Whose profile bounds it.
        creator: Option<AgentName>,
    },
    /// Finish what an earlier state left unfinished of changes to files: the [`CommitGate`](crate::CommitGate) says
    /// what.
    RecoverCommits,
}

impl Effect {
    /// What is to be done outside for a task that stands where it does.
    pub(crate) fn of_task(task: &Task) -> Option<Self> {
        let hold = Hold { task: task.id, fence: task.state.lease.as_ref()?.fence };
        match (&task.spec.verify, task.state.status) {
            (Some(Verify::Run(argv)), TaskStatus::Verifying) => {
                Some(Self::Check { hold, argv: argv.clone(), creator: task.creator.clone() })
            }
            (Some(Verify::Run(_) | Verify::Agent(_)) | None, _) => None,
        }
    }
}

/// Applies one command to `state`, after whatever is due by then. Refusals change nothing. The same state,
/// envelope and decisions give the same step.
pub fn step(state: &mut State, envelope: Envelope, decide: &mut dyn Decide) -> Step {
    let Envelope { waiter, caller, now, seed, command, keyed } = envelope;
    let mut step = Step::default();
    let mut context = Context { state, caller: &caller, waiter, now, seed, step: &mut step, decide };
    if command == Command::Forgive {
        due::forgive(&mut context);
    }
    due::decide(&mut context);
    match repeat::of(&mut context, keyed.as_ref()) {
        repeat::Repeat::No => match dispatch(&mut context, command, keyed.as_ref()) {
            Ok(Some(reply)) => context.answer(waiter, &caller, keyed, reply),
            Ok(None) => {}
            Err(refusal) => context.step.replies.push((waiter, Reply::Refused(refusal))),
        },
        repeat::Repeat::Answered(reply) => context.step.replies.push((waiter, reply)),
        repeat::Repeat::Waits => {}
    }
    // What the command freed may be past its time already, and is not to be handed out then.
    due::decide(&mut context);
    lock::serve_waiting(&mut context);
    task::serve_waiting(&mut context);
    commit::serve_waiting(&mut context);
    step
}

/// The reply, unless it is to come later.
/// Which task a claim of this agent's would be given now, and why. It is not given.
pub fn next_for(
    state: &mut State,
    agent: &AgentName,
    now: Timestamp,
    seed: u64,
    decide: &mut dyn Decide,
) -> Option<(TaskId, Chosen)> {
    let (caller, mut step) = (Caller::Server, Step::default());
    let mut context =
        Context { state, caller: &caller, waiter: Waiter(0), now, seed, step: &mut step, decide };
    task::next_for(&mut context, agent)
}

fn dispatch(
    context: &mut Context<'_>,
    command: Command,
    keyed: Option<&crate::Keyed>,
) -> Result<Option<Reply>, Refusal> {
    match command {
        Command::AddAgent(new) => agent::add(context, new),
        Command::RemoveAgent(name) => agent::remove(context, &name),
        Command::MintToken { agent, hash, expires_at } => agent::mint_token(context, agent, hash, expires_at),
        Command::SetProfiles(profiles) => agent::set_profiles(context, profiles),
        Command::StartRun(request) => run::start(context, request),
        Command::BecomeJob(id) => run::become_job(context, id),
        Command::EndRun(record) => run::end(context, record),
        Command::KillRun(id) => run::kill(context, id),
        Command::FindRun(id) => run::find(context, id),
        Command::Task(command) => return task::dispatch(context, command, keyed),
        Command::Queue(command) => queue::dispatch(context, command),
        Command::Lock(command) => return lock::dispatch(context, command, keyed),
        Command::Touch(agent, session) => crew::touch(context, &agent, session.as_ref()),
        Command::Crew(command) => crew::dispatch(context, command),
        Command::Leave(waiter) => leave(context, waiter),
        Command::Delivered(hook, event) => delivered(context, hook, event),
        Command::Audit(denied) => audit(context, denied),
        Command::Tick | Command::Forgive => context.not_an_agent().map(|()| Reply::Done),
        Command::Talk(command) => return talk::dispatch(context, command),
        Command::Commit(command) => return commit::dispatch(context, command),
        Command::Policy(command) => policy::dispatch(context, command),
    }
    .map(Some)
}

/// Nothing here depends on it: it is kept for the next start.
fn delivered(context: &mut Context<'_>, hook: HookName, event: EventSeq) -> Answer {
    context.not_an_agent()?;
    context.step.rows.push(Row::SetDelivered(hook, event));
    Ok(Reply::Done)
}

/// As [`delivered`]: kept for who asks.
fn audit(context: &mut Context<'_>, denied: Vec<Denied>) -> Answer {
    context.not_an_agent()?;
    let now = context.now;
    context.step.rows.extend(denied.into_iter().map(|denied| Row::Audit(denied, now)));
    Ok(Reply::Done)
}

/// Whoever waited went away.
fn leave(context: &mut Context<'_>, waiter: Waiter) -> Answer {
    context.not_an_agent()?;
    task::stop_waiting(context, waiter);
    lock::stop_waiting(context, waiter);
    talk::stop_waiting(context, waiter);
    commit::stop_waiting(context, waiter);
    Ok(Reply::Done)
}

/// What a command's function works on.
struct Context<'a> {
    state: &'a mut State,
    caller: &'a Caller,
    waiter: Waiter,
    now: Timestamp,
    seed: u64,
    step: &'a mut Step,
    decide: &'a mut dyn Decide,
}

type Answer = Result<Reply, Refusal>;

impl Context<'_> {
    fn event(&mut self, agent: Option<AgentName>, kind: EventKind) {
        self.state.last_event = EventSeq(self.state.last_event.0 + 1);
        self.step.events.push(Event { seq: self.state.last_event, at: self.now, agent, kind });
    }

    /// A fence that was never given before. Their limit is stored once for many, with the first that needs it.
    fn next_fence(&mut self) -> Fence {
        const STORED_AHEAD: u64 = 1_000;
        let state = &mut *self.state;
        state.last_fence = Fence(state.last_fence.0 + 1);
        if state.last_fence > state.fence_limit {
            state.fence_limit = Fence(state.last_fence.0 + STORED_AHEAD);
            self.step.rows.push(Row::SetFenceLimit(state.fence_limit));
        }
        state.last_fence
    }

    /// An event about a task, by `agent`.
    fn task_event(&mut self, agent: Option<AgentName>, task: TaskId, event: TaskEvent) {
        self.event(agent, EventKind::Task(AboutTask { task, event }));
    }

    /// An event about a task, by the caller.
    fn callers_task_event(&mut self, task: TaskId, event: TaskEvent) {
        self.task_event(self.author(), task, event);
    }
}

const fn stands(id: TaskId, status: TaskStatus) -> Reply {
    Reply::Task(TaskReply::Stands(crate::Stands { id, status }))
}

fn claimed(claimed: Claimed) -> Reply {
    Reply::Task(TaskReply::Claimed(Box::new(claimed)))
}
