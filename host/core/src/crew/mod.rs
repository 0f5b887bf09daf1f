//! The agents at work: who is here, who has gone, what they spent, and who has to wait.

mod command;
mod event;
mod refusal;
mod reply;
mod row;
mod standing;
mod state;
mod usage;

pub use command::{CrewCommand, Heartbeat};
pub use event::{AboutAgent, CrewEvent, Gone};
pub use refusal::CrewRefusal;
pub use reply::{AgentStatus, Counted, CrewReply, MemberFacts};
pub use row::{CrewRow, CrewSeed};
pub use standing::{Cooldown, Interrupt, Presence, Standing};
pub(crate) use state::{Crew, Member};
pub use usage::{Budget, Cost, Spender, Usage};
