//! Requests that wait.

use super::super::Context;
use super::take::grant;
use crate::{Caller, Reply, Waiter};

/// Grants what waited and is free now, first come first served, if something ended that may have been in the way.
pub(in super::super) fn serve_waiting(context: &mut Context<'_>) {
    if !std::mem::take(&mut context.state.locks.stirred) {
        return;
    }
    for ticket in context.state.locks.tickets(|_| true) {
        if context.state.locks.obstacle_for(ticket).is_none()
            && let Some(waiting) = context.state.locks.stop_waiting(ticket)
        {
            let (waiter, keyed) = (waiting.waiter, waiting.keyed.clone());
            let caller = Caller::Agent(waiting.terms.holder.agent.clone());
            let reply = grant(context, waiting);
            context.answer(waiter, &caller, keyed, reply);
        }
    }
    // A grant takes more than its request kept from those behind it.
    context.state.locks.stirred = false;
}

/// Ends the waiting of those who have waited long enough.
pub(in super::super) fn give_up_waiting(context: &mut Context<'_>) {
    let now = context.now;
    // What ended by now may be theirs, and each one that leaves makes room for those behind it.
    serve_waiting(context);
    while context.state.locks.first_until().is_some_and(|until| until <= now) {
        let due = context.state.locks.tickets(|waiting| waiting.until <= now);
        let Some(ticket) = due.first().copied() else { break };
        let refusal = context.state.locks.obstacle_for(ticket).map(|obstacle| obstacle.refusal(now));
        let waiting = context.state.locks.stop_waiting(ticket);
        if let (Some(waiting), Some(refusal)) = (waiting, refusal) {
            context.step.replies.push((waiting.waiter, Reply::Refused(refusal.into())));
        }
        serve_waiting(context);
    }
}

/// Whoever waited went away.
pub(in super::super) fn stop_waiting(context: &mut Context<'_>, waiter: Waiter) {
    for ticket in context.state.locks.tickets(|waiting| waiting.waiter == waiter) {
        context.state.locks.stop_waiting(ticket);
    }
}
