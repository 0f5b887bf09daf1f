//! Locks on paths, from the request to the end.

mod change;
mod end;
mod take;
#[cfg(test)]
mod tests;
mod waiting;

pub(super) use change::may_change;
pub(super) use end::{expire, holder_lost, lease_ended, lease_lost, release_all};
pub(super) use waiting::{give_up_waiting, serve_waiting, stop_waiting};

use super::{Answer, Context};
use crate::{Keyed, LockCommand, LockReply, LocksFound, Refusal, Reply};

/// The reply, unless it is to come later.
pub(super) fn dispatch(
    context: &mut Context<'_>,
    command: LockCommand,
    keyed: Option<&Keyed>,
) -> Result<Option<Reply>, Refusal> {
    match command {
        LockCommand::Take(request) => return take::take(context, request, keyed),
        LockCommand::Renew(lock, fence) => take::renew(context, lock, fence),
        LockCommand::Release(lock, fence) => end::release(context, lock, fence),
        LockCommand::Break(lock, reason) => end::break_lock(context, lock, reason),
        LockCommand::Find => find(context),
        LockCommand::Check(authority, changes) => change::check(context, &authority, &changes),
    }
    .map(Some)
}

fn find(context: &Context<'_>) -> Answer {
    let locks = context.state.locks.all().cloned().collect();
    let waiters = context.state.locks.waiting().map(|waiting| waiting.facts()).collect();
    Ok(Reply::Lock(LockReply::Found(Box::new(LocksFound { locks, waiters }))))
}
