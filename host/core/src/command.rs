//! What can be asked of a project's coordinator.

use crate::{
    AgentName, Capability, CommitCommand, CrewCommand, Denied, EventSeq, HookName, Keyed, LockCommand,
    PolicyCommand, Profiles, QueueCommand, Role, RunId, RunRecord, RunRequest, Session, TalkCommand,
    TaskCommand, Timestamp, TokenHash,
};

/// Whom a reply is for. The store keeps the other end; a reply to a waiter it does not know is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter(pub u64);

/// Who asks. Roles and profiles are looked up in the state, so that a command that waited in the mailbox is
/// judged by what its caller may do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// An agent whose token was checked.
    Agent(AgentName),
    /// The person who runs the server: start-up, the command line, the control socket.
    Operator,
    /// The server itself: the end of an effect, a timer.
    Server,
}

/// A command with everything [`step`](crate::step) may know about the world.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Whom the reply is for.
    pub waiter: Waiter,
    /// Who asks.
    pub caller: Caller,
    /// The server's clock when the command was taken from the mailbox.
    pub now: Timestamp,
    /// Randomness, for whatever in the step needs some.
    pub seed: u64,
    /// What is asked.
    pub command: Command,
    /// Under which key, if it is to have its effect once. Only agents have keys.
    pub keyed: Option<Keyed>,
}

/// An agent to be added, with its first token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAgent {
    /// Must not be taken.
    pub name: AgentName,
    /// What it may do.
    pub role: Role,
    /// Must be defined.
    pub profile: crate::ProfileName,
    /// Skills it advertises.
    pub capabilities: Vec<Capability>,
    /// The hash of its first token, which lasts until revoked.
    pub token: TokenHash,
}

/// What is asked of the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Add an agent with a token. Admins and the operator.
    AddAgent(NewAgent),
    /// Remove an agent, its tokens and its live runs. Admins and the operator.
    RemoveAgent(AgentName),
    /// Give an agent one more token. Admins and the operator.
    MintToken {
        /// Whom its bearer will act as.
        agent: AgentName,
        /// What the bearer's text hashes to.
        hash: TokenHash,
        /// When it stops being good.
        expires_at: Option<Timestamp>,
    },
    /// Put these profiles in force in place of those before. The operator.
    SetProfiles(Profiles),
    /// Begin a run. Workers and up.
    StartRun(RunRequest),
    /// The call that started a run returns before the run ends: make its id durable. The server.
    BecomeJob(RunId),
    /// A run ended; the record is complete. The server.
    EndRun(Box<RunRecord>),
    /// Stop a run. Its agent, or coordinators and up.
    KillRun(RunId),
    /// Tell about a live run. Its agent, or coordinators and up.
    FindRun(RunId),
    /// About tasks.
    Task(TaskCommand),
    /// About the queue as a whole.
    Queue(QueueCommand),
    /// About locks.
    Lock(LockCommand),
    /// An agent showed that it is alive: its leases go on. The server.
    Touch(AgentName, Option<Session>),
    /// Whoever waits for this reply went away. The server.
    Leave(Waiter),
    /// Time passed: decide what is due. The server.
    Tick,
    /// A webhook has everything up to this event, so that it is not sent again. The server.
    Delivered(HookName, EventSeq),
    /// This was refused for want of a right. The server.
    Audit(Vec<Denied>),
    /// The clock jumped ahead, or the machine slept: nobody could renew, so every lease begins anew. The server.
    Forgive,
    /// About messages, shared state and the project's progress.
    Talk(TalkCommand),
    /// About the agents at work.
    Crew(CrewCommand),
    /// About changes to files.
    Commit(CommitCommand),
    /// About policies.
    Policy(PolicyCommand),
}

impl Command {
    /// Whether it asks how things stand, and neither changes anything nor waits for a change.
    pub const fn only_looks(&self) -> bool {
        match self {
            Self::FindRun(_)
            | Self::Task(TaskCommand::Find(_) | TaskCommand::Why(_))
            | Self::Queue(QueueCommand::Find)
            | Self::Lock(LockCommand::Find)
            | Self::Crew(CrewCommand::Find(_))
            | Self::Commit(CommitCommand::Unfinished)
            | Self::Policy(PolicyCommand::Find)
            | Self::Talk(
                TalkCommand::Inbox { until: None, .. } | TalkCommand::Look { until: None, .. },
            ) => true,
            Self::AddAgent(_)
            | Self::RemoveAgent(_)
            | Self::MintToken { .. }
            | Self::SetProfiles(_)
            | Self::StartRun(_)
            | Self::BecomeJob(_)
            | Self::EndRun(_)
            | Self::KillRun(_)
            | Self::Touch(..)
            | Self::Leave(_)
            | Self::Tick
            | Self::Delivered(..)
            | Self::Audit(_)
            | Self::Forgive
            | Self::Task(
                TaskCommand::Create(_)
                | TaskCommand::Claim(_)
                | TaskCommand::Renew(_)
                | TaskCommand::Progress(..)
                | TaskCommand::Complete(_)
                | TaskCommand::Fail(_)
                | TaskCommand::Release(..)
                | TaskCommand::Ask(..)
                | TaskCommand::Answer(..)
                | TaskCommand::Cancel(..)
                | TaskCommand::Retry(_)
                | TaskCommand::Patch(..)
                | TaskCommand::Checked(_)
                | TaskCommand::TakeBack(..),
            )
            | Self::Queue(QueueCommand::Pause(_) | QueueCommand::Resume(_) | QueueCommand::SetLimits(_))
            | Self::Lock(
                LockCommand::Take(_)
                | LockCommand::Renew(..)
                | LockCommand::Release(..)
                | LockCommand::Break(..)
                // Whoever asks is about to change something.
                | LockCommand::Check(..),
            )
            | Self::Talk(
                TalkCommand::Inbox { until: Some(_), .. }
                | TalkCommand::Look { until: Some(_), .. }
                | TalkCommand::Send(_)
                | TalkCommand::Ack(..)
                | TalkCommand::Follow(_)
                | TalkCommand::Unfollow(_)
                | TalkCommand::Set(..)
                | TalkCommand::Delete(..)
                | TalkCommand::SetProgress(_),
            )
            | Self::Crew(
                CrewCommand::Heartbeat(_)
                | CrewCommand::Cool { .. }
                | CrewCommand::Spend(..)
                | CrewCommand::Leave(_)
                | CrewCommand::Interrupt(..),
            )
            | Self::Commit(
                CommitCommand::Reserve(_)
                | CommitCommand::Renew(_)
                | CommitCommand::Intend(..)
                | CommitCommand::Publish(_)
                | CommitCommand::Retire(_)
                | CommitCommand::Abort(..)
                | CommitCommand::Brief(_),
            )
            | Self::Policy(PolicyCommand::Set { .. } | PolicyCommand::RollBack { .. } | PolicyCommand::Eject { .. }) => false,
        }
    }

    /// Whether it has to be carried out later if it cannot be now. Renewals do not: whenever the state is rebuilt, every
    /// lease has its whole time, and nobody waits. Nor does a brief: whoever got it then is asked to get another.
    pub const fn is_to_be_made_up_for(&self) -> bool {
        match self {
            Self::Touch(..)
            | Self::Leave(_)
            | Self::Tick
            | Self::Forgive
            | Self::Commit(CommitCommand::Brief(_)) => false,
            Self::AddAgent(_)
            | Self::RemoveAgent(_)
            | Self::MintToken { .. }
            | Self::SetProfiles(_)
            | Self::StartRun(_)
            | Self::BecomeJob(_)
            | Self::EndRun(_)
            | Self::KillRun(_)
            | Self::FindRun(_)
            | Self::Task(_)
            | Self::Queue(_)
            | Self::Lock(_)
            | Self::Delivered(..)
            | Self::Audit(_)
            | Self::Talk(_)
            | Self::Crew(_)
            | Self::Commit(_)
            | Self::Policy(_) => true,
        }
    }
}
