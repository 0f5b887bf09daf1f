//! Sending: to all whom it names, or to nobody.

use super::super::{Answer, Context};
use super::{recipients, reply, waiting};
use crate::talk::Subject;
use crate::{AgentName, Message, MessageId, NewMessage, Role, Sent, TalkEvent, TalkReply, TalkRow};

/// How many messages are kept beside those that somebody has still to acknowledge.
const KEPT: u64 = 100_000;
/// After how many more the oldest of them go.
const FORGET_EVERY: u64 = 1_000;

pub(super) fn send(context: &mut Context<'_>, new: NewMessage) -> Answer {
    let from = context.agent(Role::Worker)?.name.clone();
    let reached = recipients::resolve(context, &from, &new.to)?;
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
