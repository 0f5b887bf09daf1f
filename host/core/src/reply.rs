//! What the coordinator answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Access, AgentName, CommandRules, CommitReply, CrewReply, FileGrants, Hold, Limits, LiveRun, LockReply,
    Policies, QueueFacts, Refusal, RunId, TalkReply, TaskReply, Timestamp,
};

/// The answer to one command. What may be remembered for a repeated request is what can be serialised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// It was done, and there is nothing more to say.
    Done,
    /// The run may begin.
    #[serde(skip)]
    RunStarted(Box<StartedRun>),
    /// The run is live.
    #[serde(skip)]
    RunIsLive(Box<LiveRun>),
    /// No live run has this id; it may have ended and have a record.
    #[serde(skip)]
    RunIsNotLive(RunId),
    /// About tasks.
    Task(TaskReply),
    /// About the queue as a whole.
    #[serde(skip)]
    Queue(Box<QueueFacts>),
    /// The policies in force.
    #[serde(skip)]
    Policies(Box<Policies>),
    /// About locks.
    Lock(LockReply),
    /// About agents at work.
    Crew(CrewReply),
    /// About changes to files.
    Commit(CommitReply),
    /// It was not done, and nothing changed.
    #[serde(skip)]
    Refused(Refusal),
    /// About messages and shared state.
    Talk(TalkReply),
}

impl Reply {
    /// What a request that comes again is answered. What only tells how something was at that moment is not kept: it is
    /// told that the request was carried out.
    pub(crate) fn kept(&self) -> Self {
        match self {
            Self::RunStarted(_)
            | Self::RunIsLive(_)
            | Self::RunIsNotLive(_)
            | Self::Queue(_)
            | Self::Policies(_)
            | Self::Refused(_)
            | Self::Crew(CrewReply::Found(_))
            | Self::Commit(
                CommitReply::Reserved(_) | CommitReply::Intended(_) | CommitReply::Unfinished(_),
            )
            | Self::Lock(LockReply::Found(_))
            | Self::Talk(TalkReply::Mail(_))
            | Self::Task(TaskReply::Live(_) | TaskReply::Why(_)) => Self::Done,
            Self::Done | Self::Commit(_) | Self::Crew(_) | Self::Lock(_) | Self::Talk(_) | Self::Task(_) => {
                self.clone()
            }
        }
    }

    /// Whether the reply may be sent before the batch is durable. True of a run's start and of a reservation alone:
    /// what they stand on is checked again when something is published, and until then nothing outside depends on it.
    pub const fn precedes_commit(&self) -> bool {
        match self {
            Self::RunStarted(_) => true,
            Self::Commit(reply) => reply.precedes_commit(),
            Self::Done
            | Self::RunIsLive(_)
            | Self::RunIsNotLive(_)
            | Self::Task(_)
            | Self::Queue(_)
            | Self::Policies(_)
            | Self::Lock(_)
            | Self::Crew(_)
            | Self::Refused(_)
            | Self::Talk(_) => false,
        }
    }
}

/// A run as it was admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedRun {
    /// Its id, durable once it is a job or has ended.
    pub id: RunId,
    /// Who asked for it.
    pub agent: AgentName,
    /// When it began.
    pub started_at: Timestamp,
    /// What it may spend: profile, request and policy together.
    pub limits: Limits,
    /// Which files it may touch.
    pub files: Arc<FileGrants>,
    /// Whether it may change the project at all.
    pub access: Access,
    /// Which commands it may run, the one that it begins with and those that run in it.
    pub commands: CommandRules,
    /// Environment variables its profile sets.
    pub env: BTreeMap<String, String>,
    /// The lease it works under, which what it publishes will be held against.
    pub hold: Option<Hold>,
}
