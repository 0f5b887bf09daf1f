//! Signs of life.

use super::super::{Answer, Context, task};
use super::find::facts_of;
use super::spend::count;
use crate::{AgentName, CrewEvent, CrewRefusal, CrewReply, Heartbeat, Presence, Reply, Role, Session};

/// An agent showed up: it is here, and keeps what this session keeps.
pub(in super::super) fn touch(
    context: &mut Context<'_>,
    agent: &AgentName,
    session: Option<&Session>,
) -> Answer {
    context.not_an_agent()?;
    hear(context, agent);
    task::keep(context, agent, session);
    Ok(Reply::Done)
}

pub(super) fn heartbeat(context: &mut Context<'_>, beat: Heartbeat) -> Answer {
    let name = context.agent(Role::Observer)?.name.clone();
    check(&beat)?;
    hear(context, &name);
    let mut member = context.state.crew.member(&name, context.now);
    let before = member.standing.clone();
    let Heartbeat { doing, task, ttl_ms, provider, ack_interrupt, usage } = beat;
    if doing.is_some() {
        (member.doing, member.doing_task) = (doing, task);
    }
    member.standing.ttl_ms = ttl_ms.or(member.standing.ttl_ms);
    member.standing.provider = provider.or(member.standing.provider);
    let acked = member.standing.interrupt.take_if(|interrupt| Some(interrupt.seq) == ack_interrupt).is_some();
    if member.standing == before {
        context.state.crew.put(&name, member);
    } else {
        context.put_member(&name, member);
    }
    if acked {
        context.crew_event(Some(name.clone()), &name, CrewEvent::InterruptAcked {});
        context.state.queue.stirred = true;
    }
    if let Some((usage, under)) = usage {
        count(context, &name, &usage, under);
    }
    Ok(Reply::Crew(CrewReply::Found(facts_of(context, &name).into_iter().collect())))
}

/// Whether the heartbeat makes sense.
fn check(beat: &Heartbeat) -> Result<(), CrewRefusal> {
    let (least, most) = Heartbeat::TTL_MS;
    if let Some(ttl_ms) = beat.ttl_ms.filter(|ttl_ms| !(least..=most).contains(ttl_ms)) {
        return Err(CrewRefusal::Ttl(ttl_ms));
    }
    match beat.doing.as_ref().map(|doing| doing.len()).filter(|len| *len > Heartbeat::MAX_DOING) {
        Some(len) => Err(CrewRefusal::Doing(len)),
        None => Ok(()),
    }
}

/// Notes that an agent is alive: it says so, or takes something. Who was not here comes: as one that never said how long it may be silent.
pub(in super::super) fn hear(context: &mut Context<'_>, name: &AgentName) {
    let now = context.now;
    if !context.state.agents.contains_key(name) || context.state.crew.hear(name, now) {
        return;
    }
    let was = context.state.crew.get(name).map(|member| member.standing.presence);
    let mut member = context.state.crew.member(name, now);
    member.last_seen = now;
    let standing = &mut member.standing;
    (standing.presence, standing.since, standing.ttl_ms) = (Presence::Here, now, None);
    context.put_member(name, member);
    context.crew_event(Some(name.clone()), name, CrewEvent::Joined { was });
}
