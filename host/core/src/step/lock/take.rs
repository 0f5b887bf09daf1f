//! Taking locks, and keeping them.

use std::sync::Arc;

use super::super::{Answer, Context, crew, task};
use super::end::break_for;
use crate::lock::WaitingLock;
use crate::{
    AboutLock, EventKind, Fence, Holder, Keyed, Lock, LockAsked, LockEvent, LockHeld, LockId, LockRefusal,
    LockReply, LockRequest, LockRow, LockTerms, LockVerdict, PolicyKind, Refusal, Reply, Role, Row, Taken,
};

/// The most patterns in one lock.
const MAX_PATTERNS: usize = 64;
/// How long a lock may last without a renewal, in milliseconds: from 1 s to a day.
const TTL_MS: std::ops::RangeInclusive<u64> = 1_000..=24 * 3_600 * 1_000;
/// The most locks that a policy is shown.
const MAX_SHOWN: usize = 64;
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
    if context.state.locks.count_of(&agent) >= MAX_PER_AGENT {
        return Err(LockRefusal::TooMany(MAX_PER_AGENT).into());
    }
    let LockRequest { patterns, mode, ttl_ms, task, reason, wait_until } = request;
    let terms = LockTerms { holder: Holder { agent, task }, mode, patterns: patterns.into() };
    judge(context, &terms, ttl_ms, &reason)?;
    let locks = &mut context.state.locks;
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

/// What the conflict policy says to it: it may be refused, and locks that conflict with it may end first.
fn judge(context: &mut Context<'_>, terms: &LockTerms, ttl_ms: u64, reason: &str) -> Result<(), Refusal> {
    let name = &terms.holder.agent;
    let agent = context.facts_of(name).ok_or_else(|| Refusal::CallerGone(name.clone()))?;
    let Context { state, decide, now, .. } = context;
    let held: Vec<LockHeld<'_>> = state.locks.meeting(terms).take(MAX_SHOWN).collect();
    let conflicting: Vec<LockId> =
        held.iter().filter(|held| held.conflicts).map(|held| held.lock.id).collect();
    let asked = LockAsked { terms, agent, ttl_ms, reason, now: *now };
    match decide.judge(state.policies.of(PolicyKind::Conflict), &asked, &held) {
        LockVerdict::Allow => Ok(()),
        LockVerdict::Deny(reason) => Err(LockRefusal::NotAllowed(reason).into()),
        LockVerdict::Break(ids) => {
            let reason: Arc<str> = format!("for {name}, as the conflict policy decided").into();
            for id in ids.into_iter().filter(|id| conflicting.contains(id)) {
                break_for(context, id, Arc::clone(&reason));
            }
            Ok(())
        }
    }
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
