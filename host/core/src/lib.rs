//! The rules of Longhouse, without a world around them.
//!
//! Everything here is a value or a pure function: no I/O, no clock, no randomness, no async, no SQL and
//! no HTTP. What a project's coordination state is and how each command changes it is [`step`]; the
//! store runs it and makes the outcome durable, the server carries it out.

mod agent;
mod command;
mod decide;
mod directory;
mod event;
mod id;
mod paths;
mod pattern;
mod profile;
mod refusal;
mod reply;
mod row;
mod run;
mod state;
mod step;
mod time;
mod token;

pub use agent::{Agent, AgentFacts, Role, UnknownRole};
pub use command::{Caller, Command, Envelope, NewAgent, Waiter};
pub use decide::{Admit, Decide, HostOrder};
pub use directory::{Directory, Identity, Unauthenticated};
pub use event::{Event, EventKind};
pub use id::{AgentName, BootNumber, EventSeq, InvalidId, ProfileName, ProjectName, RunId};
pub use paths::{InvalidPath, PRIVATE_DIR, ProjectPath};
pub use pattern::{InvalidPattern, PathPattern, overlap};
pub use profile::{CommandRules, FileGrants, Limits, LimitsRequest, Profile, Profiles};
pub use refusal::Refusal;
pub use reply::{Reply, StartedRun};
pub use row::Row;
pub use run::{
    Access, Chunk, Consumption, LiveRun, Outcome, Output, RunRecord, RunRequest, RunStatus, Stream,
};
pub use state::{Seed, State};
pub use step::{Effect, Step, step};
pub use time::Timestamp;
pub use token::{Token, TokenHash};
