//! Why something was not done. A refusal changes nothing, and says what to do next.

use crate::{
    AgentName, CommitRefusal, CrewRefusal, LockRefusal, PolicyKind, ProfileName, Role, RunId, TalkRefusal,
    TaskRefusal,
};

/// Why the coordinator did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The caller's agent was removed while the command waited.
    #[error("agent {0} does not exist any more")]
    CallerGone(AgentName),
    /// The caller's role is too low.
    #[error("this needs the role {needs}, and {agent} has the role {has}")]
    RoleTooLow {
        /// Who asked.
        agent: AgentName,
        /// What it is.
        has: Role,
        /// What it would have to be.
        needs: Role,
    },
    /// Only the server or its operator may do this.
    #[error("this is for the server's operator")]
    OperatorOnly,
    /// The name is taken.
    #[error("an agent named {0} exists; choose another name, or revoke it first")]
    AgentExists(AgentName),
    /// No agent has that name.
    #[error("there is no agent named {0}")]
    NoSuchAgent(AgentName),
    /// The profile is not in the configuration.
    #[error("profile {profile} is not defined; defined are {}", list(.defined))]
    NoSuchProfile {
        /// What was named.
        profile: ProfileName,
        /// What there is.
        defined: Vec<ProfileName>,
    },
    /// A token with this hash is known: the caller's random source is broken.
    #[error("this token exists; mint another")]
    TokenExists,
    /// The profile does not allow the command.
    #[error("profile {profile} does not allow the command {command:?}; it allows {}", list(.allowed))]
    CommandDenied {
        /// What was to be run.
        command: String,
        /// Whose rules denied it.
        profile: ProfileName,
        /// What these rules allow.
        allowed: Vec<String>,
    },
    /// A run without a command.
    #[error("argv is empty; its first element names the command")]
    EmptyCommand,
    /// The agent has as many live runs as its profile allows.
    #[error("{live} runs are live, and profile {profile} allows {limit} at once; wait for one or kill one")]
    TooManyRuns {
        /// How many are live.
        live: u32,
        /// How many may be.
        limit: u32,
        /// Whose limit it is.
        profile: ProfileName,
    },
    /// The admission policy said no.
    #[error("the admission policy refused the run: {0}")]
    NotAdmitted(String),
    /// No policy was in force before, or it is not the one that was named.
    #[error("no such {0} policy was in force before this one")]
    NoEarlierPolicy(PolicyKind),
    /// The key was used for another request.
    #[error("this idempotency key was used for another request; choose a new one")]
    KeyReused,
    /// The same request was sent again, and waits in this one's place.
    #[error("the same request came again; its answer goes there")]
    Superseded,
    /// About a task.
    #[error(transparent)]
    Task(#[from] TaskRefusal),
    /// About a lock.
    #[error(transparent)]
    Lock(#[from] LockRefusal),
    /// No run the caller may see is live under this id.
    #[error("no live run {0}")]
    NoSuchRun(RunId),
    /// About messages and shared state.
    #[error(transparent)]
    Talk(#[from] TalkRefusal),
    /// About agents at work.
    #[error(transparent)]
    Crew(#[from] CrewRefusal),
    /// About a change to files.
    #[error(transparent)]
    Commit(#[from] CommitRefusal),
}

fn list<T: ToString>(items: &[T]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
