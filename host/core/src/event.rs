//! What happened, in order, for whoever watches.

use crate::{
    AboutAgent, AboutCommit, AboutLock, AboutTask, AgentName, EventSeq, Outcome, PolicyEvent, ProfileName,
    QueueEvent, Role, RunId, TalkEvent, TaskId, Timestamp,
};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the project's history.
    pub seq: EventSeq,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// Who did it; `None` for the operator and the server.
    pub agent: Option<AgentName>,
    /// What.
    pub kind: EventKind,
}

/// What happened, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// An agent exists now.
    AgentAdded {
        /// Which.
        name: AgentName,
        /// What it may do.
        role: Role,
        /// What it may touch and spend.
        profile: ProfileName,
    },
    /// An agent and its tokens are gone.
    AgentRemoved {
        /// Which.
        name: AgentName,
    },
    /// A token was made.
    TokenMinted {
        /// Whom it speaks for.
        name: AgentName,
        /// When it ends.
        expires_at: Option<Timestamp>,
    },
    /// A run goes on after the call that started it.
    RunBecameJob {
        /// Which.
        run: RunId,
    },
    /// A run ended.
    RunEnded {
        /// Which.
        run: RunId,
        /// How.
        outcome: Outcome,
    },
    /// About a task.
    Task(AboutTask),
    /// About the queue as a whole.
    Queue(QueueEvent),
    /// About a lock.
    Lock(AboutLock),
    /// About messages, shared state and the project's progress.
    Talk(TalkEvent),
    /// About an agent at work.
    Crew(AboutAgent),
    /// About a commit.
    Commit(AboutCommit),
    /// About policies.
    Policy(PolicyEvent),
}

impl EventKind {
    /// The type as the API writes it: subject, dot, what happened to it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::AgentAdded { .. } => "agent.added",
            Self::AgentRemoved { .. } => "agent.removed",
            Self::TokenMinted { .. } => "token.minted",
            Self::RunBecameJob { .. } => "run.became_job",
            Self::RunEnded { .. } => "run.ended",
            Self::Task(about) => about.event.type_name(),
            Self::Queue(event) => event.type_name(),
            Self::Lock(about) => about.event.type_name(),
            Self::Talk(event) => event.type_name(),
            Self::Crew(about) => about.event.type_name(),
            Self::Commit(about) => about.event.type_name(),
            Self::Policy(event) => event.type_name(),
        }
    }

    /// The run it is about, if any.
    pub const fn run(&self) -> Option<RunId> {
        match self {
            Self::RunBecameJob { run } | Self::RunEnded { run, .. } => Some(*run),
            Self::Commit(about) => about.run,
            Self::AgentAdded { .. }
            | Self::AgentRemoved { .. }
            | Self::TokenMinted { .. }
            | Self::Task(_)
            | Self::Queue(_)
            | Self::Lock(_)
            | Self::Talk(_)
            | Self::Crew(_)
            | Self::Policy(_) => None,
        }
    }

    /// The task it is about, if any.
    pub const fn task(&self) -> Option<TaskId> {
        match self {
            Self::Task(about) => Some(about.task),
            Self::Commit(about) => about.task,
            Self::AgentAdded { .. }
            | Self::AgentRemoved { .. }
            | Self::TokenMinted { .. }
            | Self::RunBecameJob { .. }
            | Self::RunEnded { .. }
            | Self::Queue(_)
            | Self::Lock(_)
            | Self::Talk(_)
            | Self::Crew(_)
            | Self::Policy(_) => None,
        }
    }
}
