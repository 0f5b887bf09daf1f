//! Sets that wait for their paths, and sets that have had them for too long.

use super::super::Context;
use super::authority::{check, knows_its_leases};
use super::reserve::{RESERVED_MS, attempt, grant_if_free};
use crate::{AgentName, CommitRefusal, Refusal, Reply, ReservationId, Waiter};

/// Gives sets that wait their paths, as far as they are free: each as soon as nothing that came earlier is in the way.
/// One that may not be made any more goes, and lets those behind it pass.
pub(in super::super) fn serve_waiting(context: &mut Context<'_>) {
    loop {
        if let Some(id) = context.state.commits.first_ready() {
            serve(context, id);
        } else if let Some(follower) = context.state.commits.requests.next_again() {
            let answer = attempt(context, follower.waiter, follower.request);
            let reply = answer.unwrap_or_else(|refusal| Some(Reply::Refused(refusal)));
            context.step.replies.extend(reply.map(|reply| (follower.waiter, reply)));
        } else {
            return;
        }
    }
}

fn serve(context: &mut Context<'_>, id: ReservationId) {
    let Some(set) = context.state.commits.ready_set(id) else { return };
    let waiter = set.waiter;
    let reply = match check(context, set.facts.by.as_ref(), set.facts.paths.changes()) {
        Ok(()) => grant_if_free(context, id),
        Err(refusal) => {
            context.state.commits.give_up(id);
            Some(Reply::Refused(refusal))
        }
    };
    context.step.replies.extend(reply.map(|reply| (waiter, reply)));
}

/// Takes their paths from sets whose time is over.
pub(in super::super) fn expire(context: &mut Context<'_>) {
    while let Some((at, id)) = context.state.commits.first_deadline()
        && at <= context.now
    {
        context.state.commits.drop_live(id);
    }
}

/// Ends the waiting of those who have waited long enough.
pub(in super::super) fn give_up_waiting(context: &mut Context<'_>) {
    let now = context.now;
    // What ended by now may be theirs, and each one that leaves makes room for those behind it.
    serve_waiting(context);
    while let Some((until, id)) = context.state.commits.first_until()
        && until <= now
    {
        let obstacle = context.state.commits.obstacle_of(id);
        let refusal = obstacle.map(|(path, by)| CommitRefusal::PathReserved { path: path.clone(), by });
        if let (Some(set), Some(refusal)) = (context.state.commits.give_up(id), refusal) {
            context.step.replies.push((set.waiter, Reply::Refused(refusal.into())));
        }
        serve_waiting(context);
    }
    while let Some(follower) = context.state.commits.requests.impatient(now) {
        let refusal = CommitRefusal::StillRunning.into();
        context.step.replies.push((follower.waiter, Reply::Refused(refusal)));
    }
}

/// Nobody could renew: whoever has its paths keeps them for as long as if it just had.
pub(in super::super) fn forgive(context: &mut Context<'_>) {
    let until = context.now.plus_millis(RESERVED_MS);
    context.state.commits.forgive(until);
}

/// Whoever waited went away.
pub(in super::super) fn stop_waiting(context: &mut Context<'_>, waiter: Waiter) {
    context.state.commits.stop_waiting(waiter);
}

/// Drops what an agent that is no more has reserved or waits for. What it intended goes on.
pub(in super::super) fn author_removed(context: &mut Context<'_>, agent: &AgentName) {
    knows_its_leases(context, agent);
    for waiter in context.state.commits.drop_agent(agent) {
        let refusal = Refusal::CallerGone(agent.clone());
        context.step.replies.push((waiter, Reply::Refused(refusal)));
    }
}
