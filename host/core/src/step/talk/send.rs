//! Sending: to all whom it names, or to nobody.

use std::collections::BTreeSet;

use super::super::{Answer, Context};
use super::{reply, waiting};
use crate::talk::Subject;
use crate::{
    AgentName, Message, MessageId, NewMessage, Recipient, Refusal, Role, Sent, TalkEvent, TalkRefusal,
    TalkReply, TalkRow, TaskRefusal,
};

/// The most recipients that a message names. How many agents these are is bounded by how many there are.
const MAX_NAMED: usize = 100;
/// How many messages are kept beside those that somebody has still to acknowledge.
const KEPT: u64 = 100_000;
/// After how many more the oldest of them go.
const FORGET_EVERY: u64 = 1_000;

pub(super) fn send(context: &mut Context<'_>, new: NewMessage) -> Answer {
    let from = context.agent(Role::Worker)?.name.clone();
    let reached = resolve(context, &from, &new.to)?;
    let id = context.state.talk.mail.next();
    let thread = new.thread.unwrap_or(id);
    let to: Vec<AgentName> = reached.to.into_iter().collect();
    for agent in &to {
        context.state.talk.mail.deliver(agent, id);
    }
    context.talk_event(TalkEvent::Sent {
        message: id,
        thread,
        to: to.clone(),
        addressed: new.to.clone(),
        importance: new.importance,
        ack: new.ack,
    });
    let message = Message { id, from, at: context.now, thread, new, to: to.clone() };
    context.talk_row(TalkRow::Insert(Box::new(message)));
    if id.0.is_multiple_of(FORGET_EVERY) && id.0 > KEPT {
        context.talk_row(TalkRow::Forget(MessageId(id.0 - KEPT)));
    }
    for agent in &to {
        waiting::wake(context, &Subject::Mail(agent.clone()));
    }
    let left_out = reached.left_out.into_iter().collect();
    Ok(reply(TalkReply::Sent(Sent { id, thread, to, left_out })))
}

/// Whom a message reaches.
#[derive(Default)]
struct Reached {
    to: BTreeSet<AgentName>,
    left_out: BTreeSet<AgentName>,
}

/// An agent that is named has to get it; one of a group is left out if its inbox is full.
fn resolve(context: &Context<'_>, from: &AgentName, named: &[Recipient]) -> Result<Reached, Refusal> {
    if !(1..=MAX_NAMED).contains(&named.len()) {
        return Err(TalkRefusal::Recipients { count: named.len(), most: MAX_NAMED }.into());
    }
    let state = &*context.state;
    let mail = &state.talk.mail;
    let mut reached = Reached::default();
    for recipient in named {
        let one = match recipient {
            Recipient::Agent(name) if state.agents.contains_key(name) => Some(name),
            Recipient::Agent(name) => return Err(Refusal::NoSuchAgent(name.clone())),
            Recipient::Holder(task) if *task > state.last_task || task.0 == 0 => {
                return Err(TaskRefusal::NoSuchTask(*task).into());
            }
            Recipient::Holder(task) => {
                let lease = state.queue.get(*task).and_then(|task| task.state.lease.as_ref());
                let holder = lease.map(|lease| &lease.holder).filter(|name| state.agents.contains_key(name));
                Some(holder.ok_or(TalkRefusal::NotHeld(*task))?)
            }
            Recipient::Role(_) | Recipient::Channel(_) | Recipient::Everyone => None,
        };
        if let Some(agent) = one {
            if let Some(unread) = mail.full(agent) {
                return Err(TalkRefusal::InboxFull { agent: agent.clone(), unread }.into());
            }
            reached.to.insert(agent.clone());
            continue;
        }
        let group: Vec<&AgentName> = members(context, recipient).filter(|name| *name != from).collect();
        let Some(first) = group.first() else {
            return Err(TalkRefusal::Nobody(recipient.clone()).into());
        };
        if let (true, Some(unread)) = (group.iter().all(|name| mail.full(name).is_some()), mail.full(first)) {
            return Err(TalkRefusal::InboxFull { agent: AgentName::clone(first), unread }.into());
        }
        let (full, open): (Vec<&AgentName>, Vec<&AgentName>) =
            group.into_iter().partition(|name| mail.full(name).is_some());
        reached.to.extend(open.into_iter().cloned());
        reached.left_out.extend(full.into_iter().cloned());
    }
    Ok(reached)
}

/// Who belongs to a group, the sender too.
fn members<'a>(
    context: &'a Context<'_>,
    group: &'a Recipient,
) -> Box<dyn Iterator<Item = &'a AgentName> + 'a> {
    let agents = &context.state.agents;
    match group {
        Recipient::Everyone => Box::new(agents.keys()),
        Recipient::Role(role) => {
            let role = *role;
            Box::new(agents.values().filter(move |agent| agent.role == role).map(|agent| &agent.name))
        }
        Recipient::Channel(channel) => Box::new(context.state.talk.mail.followers(channel)),
        Recipient::Agent(_) | Recipient::Holder(_) => Box::new(std::iter::empty()),
    }
}
