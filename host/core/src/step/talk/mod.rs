//! Messages, shared state, and how far the project is.

mod inbox;
mod recipients;
mod send;
mod shared;
mod waiting;

pub(super) use waiting::{give_up_waiting, stop_waiting};

use super::Context;
use crate::{
    AgentName, EventKind, ProjectProgress, Refusal, Reply, Role, Row, TalkCommand, TalkEvent, TalkReply,
    TalkRow,
};

/// The reply, unless it is to come later.
pub(super) fn dispatch(context: &mut Context<'_>, command: TalkCommand) -> Result<Option<Reply>, Refusal> {
    match command {
        TalkCommand::Inbox { after, which, until } => return inbox::read(context, after, which, until),
        TalkCommand::Look { key, after, until } => return shared::look(context, key, after, until),
        TalkCommand::Send(new) => send::send(context, *new),
        TalkCommand::Ack(message, extent) => inbox::ack(context, message, extent),
        TalkCommand::Follow(channel) => inbox::follow(context, channel),
        TalkCommand::Unfollow(channel) => inbox::unfollow(context, channel),
        TalkCommand::Set(key, value, expected) => shared::set(context, key, value, expected),
        TalkCommand::Delete(key, expected) => shared::delete(context, key, expected),
        TalkCommand::SetProgress(progress) => set_progress(context, *progress),
    }
    .map(Some)
}

fn set_progress(context: &mut Context<'_>, progress: ProjectProgress) -> super::Answer {
    context.at_least(Role::Coordinator)?;
    let progress = Box::new(ProjectProgress { set_by: context.author(), at_ms: context.now, ..progress });
    context.talk_row(TalkRow::SetProgress(progress.clone()));
    context.talk_event(TalkEvent::ProgressSet(progress));
    Ok(Reply::Done)
}

/// Nothing is left for an agent that is no more.
pub(super) fn remove_agent(context: &mut Context<'_>, name: &AgentName) {
    context.state.talk.mail.remove(name);
    context.talk_row(TalkRow::RemoveAgent(name.clone()));
    refuse_waiting(context, name, &Refusal::CallerGone(name.clone()));
}

/// Refuses whatever an agent waits for here.
pub(super) fn refuse_waiting(context: &mut Context<'_>, name: &AgentName, refusal: &Refusal) {
    for waiter in context.state.talk.waits.of(name) {
        context.state.talk.waits.remove(waiter);
        context.step.replies.push((waiter, Reply::Refused(refusal.clone())));
    }
}

const fn reply(reply: TalkReply) -> Reply {
    Reply::Talk(reply)
}

impl Context<'_> {
    fn talk_row(&mut self, row: TalkRow) {
        self.step.rows.push(Row::Talk(row));
    }

    /// An event by the caller.
    fn talk_event(&mut self, event: TalkEvent) {
        let author = self.author();
        self.event(author, EventKind::Talk(event));
    }
}
