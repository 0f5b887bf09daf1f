//! Reading mail, acknowledging it, and following channels.

use super::super::{Answer, Context};
use super::reply;
use crate::talk::{MAX_CHANNELS, On, Wait};
use crate::{
    Acked, ChannelName, Extent, MessageId, Refusal, Reply, Role, TalkEvent, TalkRefusal, TalkReply, TalkRow,
    Timestamp, Which,
};

/// Answers at once if there is something to read, or nobody is to wait.
pub(super) fn read(
    context: &mut Context<'_>,
    after: Option<MessageId>,
    which: Which,
    until: Option<Timestamp>,
) -> Result<Option<Reply>, Refusal> {
    let agent = context.agent(Role::Observer)?.name.clone();
    let mail = &context.state.talk.mail;
    check_sent(after.unwrap_or(MessageId(0)), mail.last())?;
    let facts = mail.facts(&agent, after);
    if let Some(until) = until.filter(|until| *until > context.now)
        && !mail.has(&agent, facts.after, which)
    {
        let wait = Wait { agent, on: On::Mail(facts.after, which), until };
        context.state.talk.waits.add(context.waiter, wait);
        return Ok(None);
    }
    Ok(Some(reply(TalkReply::Mail(facts))))
}

/// What was acknowledged before, or never came to the caller, stays as it is.
pub(super) fn ack(context: &mut Context<'_>, message: MessageId, extent: Extent) -> Answer {
    let agent = context.agent(Role::Observer)?.name.clone();
    check_sent(message, context.state.talk.mail.last())?;
    let acked = context.state.talk.mail.ack(&agent, message, extent);
    let count = u64::try_from(acked.len()).unwrap_or(u64::MAX);
    if !acked.is_empty() {
        context.talk_row(TalkRow::Ack(agent.clone(), acked, context.now));
        context.talk_event(TalkEvent::Acked { message, count });
    }
    let facts = context.state.talk.mail.facts(&agent, None);
    Ok(reply(TalkReply::Acked(Acked { acked: count, unread: facts.unread, cursor: facts.cursor })))
}

pub(super) fn follow(context: &mut Context<'_>, channel: ChannelName) -> Answer {
    let agent = context.agent(Role::Observer)?.name.clone();
    let mail = &mut context.state.talk.mail;
    if let Some(followed) = mail.followed(&agent) {
        if followed.contains(&channel) {
            return Ok(Reply::Done);
        }
        if followed.len() >= MAX_CHANNELS {
            return Err(TalkRefusal::TooManyChannels { most: MAX_CHANNELS }.into());
        }
    }
    mail.follow(&agent, &channel);
    context.talk_row(TalkRow::Follow(agent, channel.clone()));
    context.talk_event(TalkEvent::Followed { channel });
    Ok(Reply::Done)
}

pub(super) fn unfollow(context: &mut Context<'_>, channel: ChannelName) -> Answer {
    let agent = context.agent(Role::Observer)?.name.clone();
    if context.state.talk.mail.unfollow(&agent, &channel) {
        context.talk_row(TalkRow::Unfollow(agent, channel.clone()));
        context.talk_event(TalkEvent::Unfollowed { channel });
    }
    Ok(Reply::Done)
}

fn check_sent(message: MessageId, last: MessageId) -> Result<(), TalkRefusal> {
    if message > last { Err(TalkRefusal::Ahead { after: message, last }) } else { Ok(()) }
}
