//! Claims that wait.

use super::super::{Context, claimed};
use super::claim::{attempt, check_wanted, offer_behind_own_locks};
use crate::queue::{Place, WaitingClaim};
use crate::{AgentName, Caller, Claimed, Nothing, Refusal, Reply, Waiter, Want};

/// Serves claims that waited, first come first served, if something happened that may let them go on.
pub(in super::super) fn serve_waiting(context: &mut Context<'_>) {
    if !std::mem::take(&mut context.state.queue.stirred) || context.state.queue.waiting.is_empty() {
        return;
    }
    let mut last = None;
    while let Some(place) = next(context, last) {
        last = Some(place);
        let Some(claim) = context.state.queue.waiting.get(place).cloned() else { continue };
        offer_behind_own_locks(context, &claim.agent);
        if claim.request.want == Want::Next(1) && context.state.queue.ready.serving().is_empty() {
            continue;
        }
        match served(context, &claim) {
            Ok(Some(reply)) => {
                context.state.queue.waiting.remove(place);
                let caller = Caller::Agent(claim.agent);
                context.answer(claim.waiter, &caller, claim.keyed, reply);
            }
            Ok(None) => {}
            Err(refusal) => refuse(context, place, refusal),
        }
    }
    // Whatever these grants stirred up, they took more than they freed.
    context.state.queue.stirred = false;
}

/// The next claim after `last` that may be served. Most are content with whatever is ready: with nothing, or nothing but
/// for the holder of a lock, there is no need to look at them.
fn next(context: &Context<'_>, last: Option<Place>) -> Option<Place> {
    let queue = &context.state.queue;
    let nothing = queue.ready.serving().is_empty() && queue.parked.behind_locks().is_empty();
    queue.waiting.after(last, nothing)
}

/// The answer for a claim that waited, if there is one now.
fn served(context: &mut Context<'_>, claim: &WaitingClaim) -> Result<Option<Reply>, Refusal> {
    check_wanted(context, &claim.agent, &claim.request)?;
    let (grants, _) = attempt(context, &claim.agent, &claim.request);
    let answer = || claimed(Claimed { ended: claim.ended, grants: grants.clone(), nothing: None });
    Ok((!grants.is_empty()).then(answer))
}

/// Nothing will come of the claim any more.
fn refuse(context: &mut Context<'_>, place: Place, refusal: Refusal) {
    let Some(claim) = context.state.queue.waiting.remove(place) else { return };
    match claim.ended {
        // What the same call ended stays ended, and its caller must learn that.
        Some(_) => {
            let reply = claimed(Claimed { ended: claim.ended, grants: Vec::new(), nothing: None });
            context.answer(claim.waiter, &Caller::Agent(claim.agent), claim.keyed, reply);
        }
        None => context.step.replies.push((claim.waiter, Reply::Refused(refusal))),
    }
}

/// Refuses all claims of an agent that wait.
pub(in super::super) fn refuse_waiting(context: &mut Context<'_>, agent: &AgentName, refusal: &Refusal) {
    for place in context.state.queue.waiting.find(|claim| claim.agent == *agent) {
        refuse(context, place, refusal.clone());
    }
}

/// Tells all claims of an agent that wait why there is nothing.
pub(in super::super) fn answer_waiting(context: &mut Context<'_>, agent: &AgentName, nothing: &Nothing) {
    for place in context.state.queue.waiting.find(|claim| claim.agent == *agent) {
        let Some(claim) = context.state.queue.waiting.remove(place) else { continue };
        let (ended, nothing) = (claim.ended, Some(nothing.clone()));
        let reply = claimed(Claimed { ended, grants: Vec::new(), nothing });
        context.answer(claim.waiter, &Caller::Agent(claim.agent), claim.keyed, reply);
    }
}

/// The claim has waited long enough.
pub(in super::super) fn give_up_waiting(context: &mut Context<'_>, place: Place) {
    let Some(claim) = context.state.queue.waiting.get(place).cloned() else { return };
    if let Err(refusal) = check_wanted(context, &claim.agent, &claim.request) {
        return refuse(context, place, refusal.into());
    }
    context.state.queue.waiting.remove(place);
    let (grants, nothing) = attempt(context, &claim.agent, &claim.request);
    let reply = claimed(Claimed { ended: claim.ended, grants, nothing });
    let caller = Caller::Agent(claim.agent);
    context.answer(claim.waiter, &caller, claim.keyed, reply);
}

/// Whoever waited went away.
pub(in super::super) fn stop_waiting(context: &mut Context<'_>, waiter: Waiter) {
    if let Some(place) = context.state.queue.waiting.place_of(waiter) {
        context.state.queue.waiting.remove(place);
    }
}
