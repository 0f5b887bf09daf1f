//! Reserving paths.

use super::super::{Answer, Context};
use super::answer;
use super::authority::{check, under};
use crate::commit::{Follower, SetFacts};
use crate::{
    AgentName, Author, CommitRefusal, CommitReply, Keyed, Refusal, Reply, ReservationId, ReserveRequest,
    Reserved, Role, Waiter,
};

/// How long a set has its paths without a renewal, in milliseconds: 30 s. Whoever prepares it may have died.
pub(super) const RESERVED_MS: u64 = 30_000;
/// How long it may have them, however often it is renewed, and how long others may wait for them: 10 min.
const LONGEST_MS: u64 = 10 * 60 * 1_000;

/// Grants at once, waits if asked to, or says who is in the way.
pub(super) fn reserve(context: &mut Context<'_>, request: ReserveRequest) -> Result<Option<Reply>, Refusal> {
    if let Author::Agent(authorship) = &request.author
        && let Some(keyed) = authorship.keyed.clone()
    {
        let agent = authorship.agent.clone();
        context.agent_named(&agent, Role::Worker)?;
        return reserve_once(context, request, agent, keyed);
    }
    attempt(context, context.waiter, request)
}

/// The same for a request that is to be carried out once.
fn reserve_once(
    context: &mut Context<'_>,
    request: ReserveRequest,
    agent: AgentName,
    keyed: Keyed,
) -> Result<Option<Reply>, Refusal> {
    if let Some(kept) = context.state.remembered.get(&agent, &keyed.key, context.now) {
        let same = kept.keyed == keyed;
        return if same { Ok(Some(Reply::clone(&kept.reply))) } else { Err(Refusal::KeyReused) };
    }
    let Some((carried_out, id)) = context.state.commits.requests.running(&agent, &keyed.key) else {
        return if context.waits_under_key(&agent, &keyed.key) {
            Err(Refusal::KeyReused)
        } else {
            attempt(context, context.waiter, request)
        };
    };
    if *carried_out != keyed {
        return Err(Refusal::KeyReused);
    }
    let (id, waiter) = (*id, context.waiter);
    let until = context.wait_until(request.wait_until);
    if until <= context.now {
        return Err(CommitRefusal::StillRunning.into());
    }
    let replaced = context.state.commits.replace_waiter(id, waiter, until).or_else(|| {
        let follower = Follower { waiter, until, request };
        context.state.commits.requests.follow((agent, keyed.key), follower).map(|before| before.waiter)
    });
    context.step.replies.extend(replaced.map(|before| (before, Reply::Refused(Refusal::Superseded))));
    Ok(None)
}

/// As [`reserve`], for a request that nobody else carries out.
pub(super) fn attempt(
    context: &mut Context<'_>,
    waiter: Waiter,
    request: ReserveRequest,
) -> Result<Option<Reply>, Refusal> {
    let ReserveRequest { paths, author, wait_until } = request;
    let task = match &author {
        Author::Agent(authorship) => {
            context.agent_named(&authorship.agent, Role::Worker)?;
            under(context, &authorship.agent, authorship.under)?
        }
        Author::Outside => None,
    };
    let facts = SetFacts::new(paths, author, task);
    check(context, facts.by.as_ref(), facts.paths.changes())?;
    context.state.commits.room_for(&facts.paths)?;
    let until = context.wait_until(wait_until);
    if let Some((path, by)) = context.state.commits.obstacle(&facts.paths)
        && until <= context.now
    {
        return Err(CommitRefusal::PathReserved { path: path.clone(), by }.into());
    }
    let id = context.state.commits.enter(waiter, until, facts);
    Ok(grant_if_free(context, id))
}

/// Gives a set that waits its paths, if nothing is in the way any more.
pub(super) fn grant_if_free(context: &mut Context<'_>, id: ReservationId) -> Option<Reply> {
    context.state.commits.ready_set(id)?;
    let (deadline, hard_end) = (context.now.plus_millis(RESERVED_MS), context.now.plus_millis(LONGEST_MS));
    let set = context.state.commits.grant(id, deadline, hard_end)?;
    let reserved = Reserved { reservation: id, task: set.facts.task(), deadline };
    Some(Reply::Commit(CommitReply::Reserved(reserved)))
}

/// Nothing is written: a reservation does not outlive the state.
pub(super) fn renew(context: &mut Context<'_>, id: ReservationId) -> Answer {
    let set = context.state.commits.live(id).ok_or(CommitRefusal::NoSuchReservation(id))?;
    let task = set.facts.task();
    let until = context.now.plus_millis(RESERVED_MS);
    let deadline = context.state.commits.prolong(id, until).ok_or(CommitRefusal::NoSuchReservation(id))?;
    answer(CommitReply::Reserved(Reserved { reservation: id, task, deadline }))
}

impl Context<'_> {
    fn wait_until(&self, asked: Option<crate::Timestamp>) -> crate::Timestamp {
        asked.unwrap_or(self.now).min(self.now.plus_millis(LONGEST_MS))
    }
}
