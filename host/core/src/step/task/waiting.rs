//! Claims that wait.

use super::super::{Context, claimed};
use super::claim::{attempt, check_wanted, offer_behind_own_locks};
use crate::queue::WaitingClaim;
use crate::{Caller, Claimed, Refusal, Reply, Role, Waiter, Want};

/// Serves claims that waited, first come first served, if something happened that may let them go on.
pub(in super::super) fn serve_waiting(context: &mut Context<'_>) {
    if !std::mem::take(&mut context.state.queue.stirred) || context.state.queue.waiting.is_empty() {
        return;
    }
    for waiter in context.state.queue.waiting.waiters() {
        let Some(claim) = context.state.queue.waiting.get(waiter).cloned() else { continue };
        offer_behind_own_locks(context, &claim.agent);
        if claim.request.want == Want::Next(1) && context.state.queue.ready.is_empty() {
            continue;
        }
        match served(context, &claim) {
            Ok(Some(reply)) => {
                context.state.queue.waiting.remove(waiter);
                let caller = Caller::Agent(claim.agent);
                context.answer(waiter, &caller, claim.keyed, reply);
            }
            Ok(None) => {}
            Err(refusal) => {
                context.state.queue.waiting.remove(waiter);
                // What the same call ended stays ended, and its caller must learn that.
                let reply = match claim.ended {
                    Some(_) => claimed(Claimed { ended: claim.ended, grants: Vec::new(), nothing: None }),
                    None => Reply::Refused(refusal),
                };
                context.step.replies.push((waiter, reply));
            }
        }
    }
    // Whatever these grants stirred up, they took more than they freed.
    context.state.queue.stirred = false;
}

/// The answer for a claim that waited, if there is one now.
fn served(context: &mut Context<'_>, claim: &WaitingClaim) -> Result<Option<Reply>, Refusal> {
    let agent = context.state.agents.get(&claim.agent);
    if agent.is_none_or(|agent| agent.role < Role::Worker) {
        return Err(Refusal::CallerGone(claim.agent.clone()));
    }
    check_wanted(context, &claim.agent, &claim.request)?;
    let (grants, _) = attempt(context, &claim.agent, &claim.request);
    let answer = || claimed(Claimed { ended: claim.ended, grants: grants.clone(), nothing: None });
    Ok((!grants.is_empty()).then(answer))
}

/// The claim has waited long enough.
pub(in super::super) fn give_up_waiting(context: &mut Context<'_>, waiter: Waiter) {
    let Some(claim) = context.state.queue.waiting.remove(waiter) else { return };
    let (grants, nothing) = attempt(context, &claim.agent, &claim.request);
    let reply = claimed(Claimed { ended: claim.ended, grants, nothing });
    let caller = Caller::Agent(claim.agent);
    context.answer(waiter, &caller, claim.keyed, reply);
}

/// Whoever waited went away.
pub(in super::super) fn stop_waiting(context: &mut Context<'_>, waiter: Waiter) {
    context.state.queue.waiting.remove(waiter);
}
