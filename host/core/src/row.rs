//! Changes to what is stored, as the store is told of them. How they are written is its own business.

use crate::{
    Agent, AgentName, CommitRow, CrewRow, Denied, EventSeq, Fence, HookName, KeptReply, Key, LockRow,
    Policies, QueueRules, RunRecord, TalkRow, TaskRow, Timestamp, Token, TokenHash,
};

/// One change to the stored truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// This agent is as given.
    PutAgent(Agent),
    /// No agent of this name exists.
    DeleteAgent(AgentName),
    /// This token is as given.
    PutToken(Token),
    /// No token of this hash exists.
    DeleteToken(TokenHash),
    /// This run is as given.
    PutRun(Box<RunRecord>),
    /// About a task.
    Task(TaskRow),
    /// These rules are in force for the queue.
    SetQueueRules(Box<QueueRules>),
    /// These policies are in force.
    SetPolicies(Box<Policies>),
    /// About locks.
    Lock(LockRow),
    /// No fence above this one was or will be given before this number is raised again.
    SetFenceLimit(Fence),
    /// This answer is remembered.
    KeepReply(Box<KeptReply>),
    /// These answers are not, any more.
    ForgetReplies(AgentName, Vec<Key>),
    /// Nothing is remembered for this agent.
    ForgetAllReplies(AgentName),
    /// A webhook has everything up to this event.
    SetDelivered(HookName, EventSeq),
    /// This was refused for want of a right, until now.
    Audit(Denied, Timestamp),
    /// About messages, shared state and the project's progress.
    Talk(TalkRow),
    /// About agents at work.
    Crew(CrewRow),
    /// About commits.
    Commit(CommitRow),
}

impl Row {
    /// Whether authentication depends on it, so that a new [`Directory`](crate::Directory) must be published.
    pub const fn changes_directory(&self) -> bool {
        match self {
            Self::PutAgent(_) | Self::DeleteAgent(_) | Self::PutToken(_) | Self::DeleteToken(_) => true,
            Self::PutRun(_)
            | Self::Task(_)
            | Self::SetQueueRules(_)
            | Self::SetPolicies(_)
            | Self::Lock(_)
            | Self::SetFenceLimit(_)
            | Self::KeepReply(_)
            | Self::ForgetReplies(..)
            | Self::ForgetAllReplies(_)
            | Self::SetDelivered(..)
            | Self::Audit(..)
            | Self::Talk(_)
            | Self::Crew(_)
            | Self::Commit(_) => false,
        }
    }
}
