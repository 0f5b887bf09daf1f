//! What an agent has to know to go on: after a pause, or in a new session that remembers nothing.

use std::sync::Arc;

use longhouse_core::{
    Agent, Caller, Command, CommitCommand, Cooldown, EventSeq, Importance, Interrupt, Lock, Message,
    NoteKind, QueueFacts, RunId, StoredTask, TaskId, TaskStatus, Timestamp, Which,
};
use longhouse_store::{TaskFilter, TaskRecord};

use super::messages::{self, InboxRequest};
use super::news::{self, Changed};
use super::{AppError, Project, crew, locks, queue, runs, tasks};

/// The most of anything in one brief.
const MOST: u32 = 5;

/// Of files that others changed, so many.
const MOST_CHANGED: usize = 10;

/// An agent's situation.
#[derive(Debug)]
pub struct Brief {
    /// Who it is.
    pub agent: Agent,
    /// What it holds, with whatever was left with it.
    pub held: Vec<TaskRecord>,
    /// What it handed in and is being checked.
    pub verifying: Vec<StoredTask>,
    /// Tasks that wait for a word of its own, the first first, with the question.
    pub questions: Vec<TaskRecord>,
    /// Its locks.
    pub locks: Vec<Lock>,
    /// Its runs that go on.
    pub runs: Vec<(RunId, Vec<String>, Timestamp)>,
    /// What others changed of what it read, the latest first.
    pub changed: Vec<Changed>,
    /// How many messages it has not acknowledged.
    pub unread: u64,
    /// The first of them.
    pub mail: Vec<Message>,
    /// Somebody wants it to stop.
    pub interrupt: Option<Interrupt>,
    /// Its provider is to be left alone.
    pub cooldown: Option<Cooldown>,
    /// The queue as a whole.
    pub queue: QueueFacts,
    /// Whatever happened later is an event after this one.
    pub as_of: EventSeq,
}

/// What would be sensible now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Stop: somebody said so, in this event.
    Stop(EventSeq),
    /// Stop the work on a task: it is not wanted any more.
    GiveUp(TaskId),
    /// Read the mail: some of it should not wait.
    Read,
    /// Go on with a task.
    GoOn(TaskId),
    /// Answer what a task waits for.
    Answer(TaskId),
    /// Claim a task.
    Claim,
    /// Nothing can be claimed: the queue is paused.
    Paused,
    /// Nothing is there: wait.
    Wait,
}

impl Brief {
    /// What would be sensible now.
    pub fn next(&self) -> Next {
        if let Some(interrupt) = &self.interrupt {
            return Next::Stop(interrupt.seq);
        }
        let held = || self.held.iter().map(|record| &record.stored.task);
        if let Some(task) = held().find(|task| task.state.cancel_requested) {
            return Next::GiveUp(task.id);
        }
        if self.mail.iter().any(|message| message.new.importance >= Importance::High) {
            return Next::Read;
        }
        if let Some(task) = held().next() {
            return Next::GoOn(task.id);
        }
        if let Some(record) = self.questions.first() {
            return Next::Answer(record.stored.task.id);
        }
        if self.queue.rules.paused {
            return Next::Paused;
        }
        let pending = self.queue.counts.get(&TaskStatus::Pending).is_some_and(|count| *count > 0);
        if pending { Next::Claim } else { Next::Wait }
    }
}

/// The situation of `agent`.
///
/// # Errors
/// When the coordinator does not answer, or the database fails.
pub async fn brief(project: &Arc<Project>, agent: Agent) -> Result<Brief, AppError> {
    let name = &agent.name;
    // First, so that a lease that is lost while this is put together is not taken for one that the agent was told of.
    project.coordinator.tell(Caller::Server, Command::Commit(CommitCommand::Brief(name.clone())));
    let mine = TaskFilter { holder: Some(name.clone()), limit: MOST, ..TaskFilter::default() };
    let tasks::TaskPage { tasks, as_of } = tasks::list(project, name.clone(), mine).await?;
    let (verifying, held): (Vec<_>, Vec<_>) =
        tasks.into_iter().partition(|stored| stored.task.state.status == TaskStatus::Verifying);
    let (held, questions) = {
        let ids: Vec<TaskId> = held.iter().map(|stored| stored.task.id).collect();
        project.read(move |reads| Ok((reads.task_records(&ids)?, reads.tasks(&waiting())?))).await?
    };
    let questions: Vec<TaskId> = questions
        .iter()
        .filter(|stored| stored.task.creator.as_ref() == Some(name))
        .map(|stored| stored.task.id)
        .take(MOST as usize)
        .collect();
    let questions = project.read(move |reads| reads.task_records(&questions)).await?;
    let mut locks = locks::find(project, name.clone()).await?.found.locks;
    locks.retain(|lock| lock.terms.holder.agent == *name && !lock.orphaned);
    let running = project.live.all().into_iter().filter(|(_, live)| live.agent == *name);
    let mut live = Vec::new();
    for (id, _) in running.take(MOST as usize) {
        let run = runs::find(project, &agent, id, std::time::Duration::ZERO).await?.record;
        live.push((id, run.argv.clone(), run.started_at));
    }
    let queue = queue::find(project, name.clone()).await?;
    let unread = InboxRequest { after: None, which: Which::Unread, limit: MOST, until: None };
    let inbox = messages::inbox(project, name.clone(), unread).await?;
    let (unread, mail) = (inbox.facts.unread, inbox.messages);
    let mail = mail.into_iter().map(|stored| stored.message).collect();
    let changed = news::changed(project, &agent, MOST_CHANGED).await?;
    let facts = crew::find(project, name.clone(), name.clone()).await?;
    let interrupt = facts.standing.and_then(|standing| standing.interrupt);
    let cooldown = facts.cooldown;
    Ok(Brief {
        agent,
        held,
        verifying,
        questions,
        locks,
        runs: live,
        changed,
        unread,
        mail,
        interrupt,
        cooldown,
        queue,
        as_of,
    })
}

const fn waiting() -> TaskFilter {
    TaskFilter {
        status: Some(TaskStatus::NeedsInput),
        holder: None,
        assigned_to: None,
        label: None,
        parent: None,
        after: None,
        limit: 1_000,
    }
}

/// The last note of this kind.
pub fn last_note(record: &TaskRecord, kind: NoteKind) -> Option<&str> {
    record.notes.iter().rev().find(|note| note.kind == kind).map(|note| &*note.text)
}
