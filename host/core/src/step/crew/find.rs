//! How agents are.

use std::collections::BTreeMap;

use super::super::{Answer, Context};
use crate::{
    Agent, AgentName, AgentStatus, CrewReply, MemberFacts, Presence, Refusal, Reply, Role, State, Timestamp,
};

pub(super) fn find(context: &Context<'_>, name: Option<&AgentName>) -> Answer {
    context.at_least(Role::Observer)?;
    let found = match name {
        Some(name) => vec![facts_of(context, name).ok_or_else(|| Refusal::NoSuchAgent(name.clone()))?],
        None => all(context),
    };
    Ok(Reply::Crew(CrewReply::Found(found)))
}

/// How this agent is.
pub(super) fn facts_of(context: &Context<'_>, name: &AgentName) -> Option<MemberFacts> {
    let state = &*context.state;
    let locks = state.locks.find(|lock| lock.terms.holder.agent == *name && !lock.orphaned).len();
    Some(facts(state, state.agents.get(name)?, locks, state.live_runs_of(name), context.now))
}

fn all(context: &Context<'_>) -> Vec<MemberFacts> {
    let state = &*context.state;
    let (mut locks, mut runs) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, u32>::new());
    for lock in state.locks.all().filter(|lock| !lock.orphaned) {
        *locks.entry(&lock.terms.holder.agent).or_default() += 1;
    }
    for run in state.runs.values() {
        *runs.entry(&run.agent).or_default() += 1;
    }
    let of = |agent: &Agent| {
        let locks = locks.get(&agent.name).copied().unwrap_or_default();
        facts(state, agent, locks, runs.get(&agent.name).copied().unwrap_or_default(), context.now)
    };
    state.agents.values().map(of).collect()
}

fn facts(state: &State, agent: &Agent, locks: usize, runs: u32, now: Timestamp) -> MemberFacts {
    let name = &agent.name;
    let member = state.crew.get(name);
    let held = state.queue.running.held_by(name);
    let works = !held.is_empty() || runs > 0;
    let status = match member.map(|member| (member.standing.presence, member.is_suspect(now))) {
        None | Some((Presence::Left, _)) => AgentStatus::Left,
        Some((Presence::Lost, _)) => AgentStatus::Lost,
        Some((Presence::Here, true)) if runs == 0 => AgentStatus::Suspect,
        Some((Presence::Here, _)) if works => AgentStatus::Active,
        Some((Presence::Here, _)) => AgentStatus::Idle,
    };
    MemberFacts {
        agent: agent.clone(),
        status,
        standing: member.map(|member| member.standing.clone()),
        last_seen: member.map(|member| member.last_seen),
        doing: member.and_then(|member| member.doing.clone()),
        doing_task: member.and_then(|member| member.doing_task),
        tasks: held.iter().filter_map(|id| state.queue.hold_on(*id)).collect(),
        last_completed: member.and_then(|member| member.last_completed),
        locks: u64::try_from(locks).unwrap_or(u64::MAX),
        runs,
        unread: state.talk.mail.facts(name, None).unread,
        cooldown: state.crew.cooldown_of(name, now).cloned(),
        budget: state.queue.rules.budget_of(name).copied(),
        as_of: state.last_event,
    }
}
