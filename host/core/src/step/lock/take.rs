//! Taking locks, and keeping them.

use super::super::{Answer, Context, crew, task};
use crate::lock::WaitingLock;
use crate::{
    AboutLock, EventKind, Fence, Holder, Keyed, Lock, LockEvent, LockId, LockRefusal, LockReply, LockRequest,
    LockRow, LockTerms, Refusal, Reply, Role, Row, Taken,
};

/// The most patterns in one lock.
const MAX_PATTERNS: usize = 64;
/// How long a lock may last without a renewal, in milliseconds: from 1 s to a day.
const TTL_MS: std::ops::RangeInclusive<u64> = 1_000..=24 * 3_600 * 1_000;
/// The most locks that an agent holds or waits for.
const MAX_PER_AGENT: usize = 256;

/// Grants at once, waits if asked to, or says who is in the way.
pub(super) fn take(
    context: &mut Context<'_>,
    request: LockRequest,
    keyed: Option<&Keyed>,
) -> Result<Option<Reply>, Refusal> {
    let agent = context.agent(Role::Worker)?.name.clone();
    check(&request)?;
    if let Some(hold) = request.task {
        task::held(context, hold)?;
    }
    let now = context.now;
    let locks = &mut context.state.locks;
    if locks.count_of(&agent) >= MAX_PER_AGENT {
        return Err(LockRefusal::TooMany(MAX_PER_AGENT).into());
    }
    let LockRequest { patterns, mode, ttl_ms, task, reason, wait_until } = request;
    let terms = LockTerms { holder: Holder { agent, task }, mode, patterns: patterns.into() };
    let until = wait_until.unwrap_or(now);
    let refusal = locks.obstacle(&terms).map(|obstacle| obstacle.refusal(now));
    let (waiter, keyed) = (context.waiter, keyed.cloned());
    let waiting = WaitingLock { waiter, terms, ttl_ms, reason, since: now, until, keyed };
    match refusal {
        None => return Ok(Some(grant(context, waiting))),
        Some(refusal) if until <= now => return Err(refusal.into()),
        Some(_) => {}
    }
    if let Some(chain) = locks.deadlock(&waiting.terms) {
        return Err(LockRefusal::Deadlock { chain }.into());
    }
    locks.wait(waiting);
    Ok(None)
}

fn check(request: &LockRequest) -> Result<(), LockRefusal> {
    if request.patterns.is_empty() || request.patterns.len() > MAX_PATTERNS {
        return Err(LockRefusal::Count(request.patterns.len()));
    }
    if TTL_MS.contains(&request.ttl_ms) { Ok(()) } else { Err(LockRefusal::TtlOutOfRange(request.ttl_ms)) }
}

/// Grants what somebody waits for, or would.
pub(super) fn grant(context: &mut Context<'_>, waiting: WaitingLock) -> Reply {
    let now = context.now;
    crew::hear(context, &waiting.terms.holder.agent);
    let fence = context.next_fence();
    let id = LockId(context.state.last_lock.0 + 1);
    context.state.last_lock = id;
    let WaitingLock { terms, ttl_ms, reason, since, waiter: _, until: _, keyed: _ } = waiting;
    let agent = terms.holder.agent.clone();
    let waited_ms = u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX);
    let event = LockEvent::Taken { fence, terms: terms.clone(), reason: reason.clone(), waited_ms };
    let expires_at = now.plus_millis(ttl_ms);
    put(context, Lock { id, fence, terms, reason, taken_at: now, ttl_ms, expires_at, orphaned: false });
    context.event(Some(agent), EventKind::Lock(AboutLock { lock: id, event }));
    Reply::Lock(LockReply::Taken(Taken { lock: id, fence, expires_at }))
}

/// Nothing is written: after a restart every lock begins anew.
pub(super) fn renew(context: &mut Context<'_>, id: LockId, fence: Fence) -> Answer {
    let agent = context.agent(Role::Worker)?.name.clone();
    let lock = lock_in_force(context, id, fence, |lock| lock.terms.holder.agent == agent)?;
    if lock.orphaned {
        let (hold, left_ms) = (lock.terms.holder.task, lock.left_ms(context.now));
        return Err(LockRefusal::Orphaned { lock: id, hold, left_ms }.into());
    }
    let expires_at = lock.renewed_until(context.now);
    let lock = Lock { expires_at, ..lock.clone() };
    context.state.locks.insert(lock);
    Ok(Reply::Lock(LockReply::Renewed(Taken { lock: id, fence, expires_at })))
}

/// The lock, if it is in force under this fence and is `theirs`.
pub(super) fn lock_in_force<'a>(
    context: &'a Context<'_>,
    id: LockId,
    fence: Fence,
    theirs: impl FnOnce(&Lock) -> bool,
) -> Result<&'a Lock, LockRefusal> {
    let lock = context.state.locks.get(id);
    if let Some(lock) = lock
        && lock.fence == fence
        && theirs(lock)
    {
        return Ok(lock);
    }
    if lock.is_none() && !(1..=context.state.last_lock.0).contains(&id.0) {
        return Err(LockRefusal::NoSuchLock(id));
    }
    let holder = lock.map(|lock| (lock.terms.holder.agent.clone(), lock.fence));
    Err(LockRefusal::StaleLock { lock: id, fence, holder })
}

/// The lock is as given.
pub(super) fn put(context: &mut Context<'_>, lock: Lock) {
    context.step.rows.push(Row::Lock(LockRow::Put(Box::new(lock.clone()))));
    context.state.locks.insert(lock);
}
