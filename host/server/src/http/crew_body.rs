//! Agents at work as JSON.

use longhouse_core::{
    AgentName, AgentStatus, Budget, Capability, Cooldown, EventSeq, Hold, Interrupt, MemberFacts,
    ProfileName, ProviderName, TaskId, Timestamp, Usage,
};
use serde::Serialize;

/// An agent, and how it is.
#[derive(Serialize)]
pub(super) struct MemberJson<'a> {
    name: &'a AgentName,
    role: &'static str,
    profile: &'a ProfileName,
    capabilities: &'a [Capability],
    status: AgentStatus,
    /// Since when it is here, or gone.
    since_ms: Option<Timestamp>,
    last_seen_ms: Option<Timestamp>,
    /// How long it may be silent, if it said so.
    ttl_ms: Option<u64>,
    doing: Option<&'a str>,
    doing_task: Option<TaskId>,
    tasks: Vec<HoldJson>,
    locks: u64,
    runs: u32,
    unread: u64,
    provider: Option<&'a ProviderName>,
    /// Its provider is to be left alone until then.
    rate_limited: Option<&'a Cooldown>,
    interrupt: Option<&'a Interrupt>,
    usage: Usage,
    budget: Option<Budget>,
    as_of: EventSeq,
}

#[derive(Serialize)]
struct HoldJson {
    id: TaskId,
    fence: longhouse_core::Fence,
}

impl<'a> MemberJson<'a> {
    pub(super) fn of(facts: &'a MemberFacts) -> Self {
        let (agent, standing) = (&facts.agent, facts.standing.as_ref());
        Self {
            name: &agent.name,
            role: agent.role.as_str(),
            profile: &agent.profile,
            capabilities: &agent.capabilities,
            status: facts.status,
            since_ms: standing.map(|standing| standing.since),
            last_seen_ms: facts.last_seen,
            ttl_ms: standing.and_then(|standing| standing.ttl_ms),
            doing: facts.doing.as_deref(),
            doing_task: facts.doing_task,
            tasks: facts.tasks.iter().map(|&Hold { task, fence }| HoldJson { id: task, fence }).collect(),
            locks: facts.locks,
            runs: facts.runs,
            unread: facts.unread,
            provider: standing.and_then(|standing| standing.provider.as_ref()),
            rate_limited: facts.cooldown.as_ref(),
            interrupt: standing.and_then(|standing| standing.interrupt.as_ref()),
            usage: standing.map(|standing| standing.usage).unwrap_or_default(),
            budget: facts.budget,
            as_of: facts.as_of,
        }
    }
}
