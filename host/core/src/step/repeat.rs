//! Requests that come again.

use std::sync::Arc;

use super::Context;
use crate::{AgentName, Caller, KeptReply, Key, Keyed, Refusal, Reply, Row, Waiter};

/// What is known of a request's key.
pub(super) enum Repeat {
    /// Nothing: it is carried out.
    No,
    /// It was carried out, and answered like this; or it is another request, and this refuses it.
    Answered(Reply),
    /// It waits, and its answer goes to whoever asked last.
    Waits,
}

/// Looks up the request's key. A request that waits takes this waiter in place of the one before.
pub(super) fn of(context: &mut Context<'_>, keyed: Option<&Keyed>) -> Repeat {
    let (Some(keyed), Caller::Agent(agent)) = (keyed, context.caller) else { return Repeat::No };
    if let Some(request) = context.state.locks.waiting_under(agent, &keyed.key) {
        if request.keyed.as_ref() != Some(keyed) {
            return Repeat::Answered(Reply::Refused(Refusal::KeyReused));
        }
        let before = std::mem::replace(&mut request.waiter, context.waiter);
        context.step.replies.push((before, Reply::Refused(Refusal::Superseded)));
        return Repeat::Waits;
    }
    if context.state.commits.requests.running(agent, &keyed.key).is_some() {
        return Repeat::Answered(Reply::Refused(Refusal::KeyReused));
    }
    let waiting = &mut context.state.queue.waiting;
    let Some(place) = waiting.under(agent, &keyed.key) else {
        let Some(kept) = context.state.remembered.get(agent, &keyed.key, context.now) else {
            return Repeat::No;
        };
        let same = kept.keyed.hash == keyed.hash;
        return if same {
            Repeat::Answered(Reply::clone(&kept.reply))
        } else {
            Repeat::Answered(Reply::Refused(Refusal::KeyReused))
        };
    };
    if waiting.get(place).is_none_or(|claim| claim.keyed.as_ref() != Some(keyed)) {
        return Repeat::Answered(Reply::Refused(Refusal::KeyReused));
    }
    if let Some(before) = waiting.take_over(place, context.waiter) {
        context.step.replies.push((before, Reply::Refused(Refusal::Superseded)));
    }
    Repeat::Waits
}

impl Context<'_> {
    /// Answers a request that was carried out, and keeps the answer if the request has a key.
    pub(super) fn answer(&mut self, waiter: Waiter, caller: &Caller, keyed: Option<Keyed>, reply: Reply) {
        if let (Some(keyed), Caller::Agent(agent)) = (keyed, caller) {
            self.keep(agent, keyed, &reply);
        }
        self.step.replies.push((waiter, reply));
    }

    /// Whether a request of the agent's that is not about files waits under this key.
    pub(super) fn waits_under_key(&mut self, agent: &AgentName, key: &Key) -> bool {
        let claims = self.state.queue.waiting.find(|claim| {
            claim.agent == *agent && claim.keyed.as_ref().is_some_and(|other| other.key == *key)
        });
        !claims.is_empty() || self.state.locks.waiting_under(agent, key).is_some()
    }

    pub(super) fn keep(&mut self, agent: &AgentName, keyed: Keyed, reply: &Reply) {
        if !self.state.agents.contains_key(agent) {
            return;
        }
        let kept = KeptReply { agent: agent.clone(), keyed, reply: Arc::new(reply.kept()), at: self.now };
        self.step.rows.push(Row::KeepReply(Box::new(kept.clone())));
        let forgotten = self.state.remembered.keep(kept);
        if !forgotten.is_empty() {
            self.step.rows.push(Row::ForgetReplies(agent.clone(), forgotten));
        }
    }
}
