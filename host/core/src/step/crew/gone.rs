//! Agents that go, with a word or without.

use std::sync::Arc;

use super::super::{Answer, Context, lock, talk, task};
use crate::{AgentName, CrewEvent, CrewRefusal, Gone, Presence, Refusal, ReleaseCause, Reply, Role};

/// Gives back what the caller holds, and lets it wait for nothing.
pub(super) fn leave(context: &mut Context<'_>, note: Arc<str>) -> Answer {
    let name = context.agent(Role::Observer)?.name.clone();
    let refusal: Refusal = CrewRefusal::Left(name.clone()).into();
    task::refuse_waiting(context, &name, &refusal);
    talk::refuse_waiting(context, &name, &refusal);
    task::give_all_back(context, &name, &note);
    lock::release_all(context, &name, ReleaseCause::HolderLeft, &refusal);
    let presence = context.state.crew.get(&name).map(|member| member.standing.presence);
    if presence != Some(Presence::Left) {
        let left = CrewEvent::Left { why: Gone::Said, note };
        go(context, &name, Presence::Left, Some(name.clone()), left);
    }
    Ok(Reply::Done)
}

/// Looks after those who may be missed by now.
pub(in super::super) fn look_after(context: &mut Context<'_>) {
    while let Some((at, name)) = context.state.crew.first_round().cloned()
        && at <= context.now
    {
        look_after_one(context, &name);
    }
}

fn look_after_one(context: &mut Context<'_>, name: &AgentName) {
    let now = context.now;
    let Some(mut member) = context.state.crew.get(name).cloned() else { return };
    if member.missed_at() > now {
        return context.state.crew.put(name, member);
    }
    if is_busy(context, name) {
        member.last_seen = now;
        return context.state.crew.put(name, member);
    }
    let holds_something =
        !context.state.queue.running.held_by(name).is_empty() || context.state.locks.count_of(name) > 0;
    match (member.standing.ttl_ms, holds_something) {
        (Some(_), _) => lose(context, name),
        // It never said that it would be heard of: its leases tell how long it is waited for.
        (None, true) => context.state.crew.look_again(name, now),
        (None, false) => {
            let left = CrewEvent::Left { why: Gone::Silent, note: Arc::default() };
            go(context, name, Presence::Left, None, left);
        }
    }
}

/// Whether something of the agent's goes on that speaks for it: a run, or a call that waits.
fn is_busy(context: &Context<'_>, name: &AgentName) -> bool {
    let state = &*context.state;
    state.live_runs_of(name) > 0
        || !state.talk.waits.of(name).is_empty()
        || state.locks.waiting().any(|waiting| waiting.terms.holder.agent == *name)
        || !state.queue.waiting.find(|claim| claim.agent == *name).is_empty()
}

/// Something that the agent held ended without a word, `ttl_ms` after it could have been renewed. An agent that never
/// said how long it may be silent is lost with the last thing in its hands.
pub(in super::super) fn lapsed(context: &mut Context<'_>, name: &AgentName, ttl_ms: u64) {
    let Some(member) = context.state.crew.get(name) else { return };
    let is_here = member.standing.presence == Presence::Here;
    let is_silent = member.last_seen.plus_millis(ttl_ms) <= context.now;
    if is_here && is_silent && !holds_something(context, name) && !is_busy(context, name) {
        lose(context, name);
    }
}

fn holds_something(context: &Context<'_>, name: &AgentName) -> bool {
    !context.state.queue.running.held_by(name).is_empty() || holds_locks(context, name) > 0
}

fn holds_locks(context: &Context<'_>, name: &AgentName) -> usize {
    context.state.locks.find(|lock| lock.terms.holder.agent == *name && !lock.orphaned).len()
}

/// What a lost agent held goes to others: its tasks at once, its locks after a while.
fn lose(context: &mut Context<'_>, name: &AgentName) {
    let Some(last_seen_ms) = context.state.crew.get(name).map(|member| member.last_seen) else { return };
    let held = context.state.queue.running.held_by(name).to_vec();
    let count = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
    let (tasks, locks) = (count(held.len()), count(holds_locks(context, name)));
    go(context, name, Presence::Lost, None, CrewEvent::Lost { last_seen_ms, tasks, locks });
    for id in held {
        task::lost(context, id);
    }
    lock::holder_lost(context, name);
}

fn go(
    context: &mut Context<'_>,
    name: &AgentName,
    presence: Presence,
    by: Option<AgentName>,
    event: CrewEvent,
) {
    let mut member = context.state.crew.member(name, context.now);
    let standing = &mut member.standing;
    (standing.presence, standing.since, standing.ttl_ms) = (presence, context.now, None);
    (member.doing, member.doing_task) = (None, None);
    context.put_member(name, member);
    context.crew_event(by, name, event);
}
