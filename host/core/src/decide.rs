//! The seam where policies are asked. What they answer is never trusted with a promise.

use crate::{AgentFacts, LimitsRequest, RunRequest};

/// What a policy may be asked during a step. Calls block; an implementation bounds its own time.
pub trait Decide {
    /// Whether this run may begin, and within which limits.
    fn review(&mut self, run: &RunRequest, agent: &AgentFacts) -> Admit;
}

/// An admission policy's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admit {
    /// As requested.
    Allow,
    /// Within these limits as well; they can only lower what the profile gives.
    Narrow(LimitsRequest),
    /// Not at all, for this reason.
    Deny(String),
}

/// The host's own decisions, in force where no policy is: every run the profile allows is admitted.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostOrder;

impl Decide for HostOrder {
    fn review(&mut self, _run: &RunRequest, _agent: &AgentFacts) -> Admit {
        Admit::Allow
    }
}
