//! The end of locks.

use std::sync::Arc;

use super::super::{Answer, Context, crew, task};
use super::take::{lock_in_force, put};
use crate::queue::Blocker;
use crate::{
    AboutLock, AgentName, Caller, EventKind, Fence, Hold, Lock, LockEvent, LockId, LockRefusal, LockRow,
    Refusal, ReleaseCause, Reply, Role, Row,
};

pub(super) fn release(context: &mut Context<'_>, id: LockId, fence: Fence) -> Answer {
    let agent = match context.caller {
        Caller::Agent(_) => Some(context.agent(Role::Worker)?.name.clone()),
        Caller::Operator | Caller::Server => None,
    };
    let theirs = |lock: &Lock| agent.as_ref().is_none_or(|name| lock.terms.holder.agent == *name);
    lock_in_force(context, id, fence, theirs)?;
    let cause = if agent.is_some() { ReleaseCause::Holder } else { ReleaseCause::Undelivered };
    let released = |lock: Lock| LockEvent::Released { holder: lock.terms.holder.agent, fence, cause };
    end(context, id, agent, released);
    Ok(Reply::Done)
}

/// Ends the lock, and gives a fence to nobody: whatever its holder still has in hand is older.
pub(super) fn break_lock(context: &mut Context<'_>, id: LockId, reason: Arc<str>) -> Answer {
    context.at_least(Role::Coordinator)?;
    if context.state.locks.get(id).is_none() {
        return Err(LockRefusal::NoSuchLock(id).into());
    }
    break_for(context, id, reason);
    Ok(Reply::Done)
}

/// The same, by whoever may.
pub(super) fn break_for(context: &mut Context<'_>, id: LockId, reason: Arc<str>) {
    let raised_to = context.next_fence();
    end(context, id, context.author(), |lock| {
        let (holder, fence) = (lock.terms.holder.agent, lock.fence);
        LockEvent::Broken { holder, fence, raised_to, reason }
    });
}

/// Ends every lock whose time is over.
pub(in super::super) fn expire(context: &mut Context<'_>) {
    while let Some((at, id)) = context.state.locks.first_expiry()
        && at <= context.now
    {
        let lock = context.state.locks.get(id).cloned();
        let expired = |lock: Lock| LockEvent::Expired { holder: lock.terms.holder.agent, fence: lock.fence };
        end(context, id, None, expired);
        if let Some(lock) = lock.filter(|lock| !lock.orphaned) {
            crew::lapsed(context, &lock.terms.holder.agent, lock.ttl_ms);
        }
    }
}

/// A lease is no more: what belongs to it goes too, unless it was lost and its locks stay for a while.
pub(in super::super) fn lease_ended(context: &mut Context<'_>, hold: Hold) {
    let bound = |lock: &Lock| lock.terms.holder.task == Some(hold) && !lock.orphaned;
    for id in context.state.locks.find(bound) {
        release_for(context, id, ReleaseCause::LeaseEnded);
    }
    for ticket in context.state.locks.tickets(|waiting| waiting.terms.holder.task == Some(hold)) {
        let Some(waiting) = context.state.locks.stop_waiting(ticket) else { continue };
        if let Err(refusal) = task::held_by(context, &waiting.terms.holder.agent, hold) {
            context.step.replies.push((waiting.waiter, Reply::Refused(refusal)));
        }
    }
}

/// A lease was lost. Its holder may yet be at work, so its locks keep everybody away for a while.
pub(in super::super) fn lease_lost(context: &mut Context<'_>, hold: Hold) {
    orphan(context, |lock| lock.terms.holder.task == Some(hold));
}

/// The same of an agent that is lost, with all that it locked.
pub(in super::super) fn holder_lost(context: &mut Context<'_>, agent: &AgentName) {
    orphan(context, |lock| lock.terms.holder.agent == *agent);
}

fn orphan(context: &mut Context<'_>, fits: impl Fn(&Lock) -> bool) {
    let until = context.now.plus_millis(Lock::ORPHANED_MS);
    for id in context.state.locks.find(|lock| fits(lock) && !lock.orphaned) {
        let Some(lock) = context.state.locks.get(id).cloned() else { continue };
        let (holder, fence, task) = (lock.terms.holder.agent.clone(), lock.fence, lock.terms.holder.task);
        let expires_at = lock.expires_at.min(until);
        put(context, Lock { expires_at, orphaned: true, ..lock });
        let event = LockEvent::Orphaned { holder, fence, task, ends_at_ms: expires_at };
        context.event(None, EventKind::Lock(AboutLock { lock: id, event }));
    }
}

/// Releases all that an agent locked, and lets it wait for nothing.
pub(in super::super) fn release_all(
    context: &mut Context<'_>,
    agent: &AgentName,
    cause: ReleaseCause,
    refusal: &Refusal,
) {
    for id in context.state.locks.find(|lock| lock.terms.holder.agent == *agent) {
        release_for(context, id, cause);
    }
    for ticket in context.state.locks.tickets(|waiting| waiting.terms.holder.agent == *agent) {
        let Some(waiting) = context.state.locks.stop_waiting(ticket) else { continue };
        context.step.replies.push((waiting.waiter, Reply::Refused(refusal.clone())));
    }
}

fn release_for(context: &mut Context<'_>, id: LockId, cause: ReleaseCause) {
    end(context, id, None, |lock| {
        let (holder, fence) = (lock.terms.holder.agent, lock.fence);
        LockEvent::Released { holder, fence, cause }
    });
}

fn end(
    context: &mut Context<'_>,
    id: LockId,
    agent: Option<AgentName>,
    event: impl FnOnce(Lock) -> LockEvent,
) {
    let Some(lock) = context.state.locks.remove(id) else { return };
    context.step.rows.push(Row::Lock(LockRow::Delete(id)));
    context.event(agent, EventKind::Lock(AboutLock { lock: id, event: event(lock) }));
    context.state.queue.release_parked(Blocker::Lock(id));
    // What is parked behind another lock on the same paths may be free now for the holder of that one.
    context.state.queue.stirred = true;
}
