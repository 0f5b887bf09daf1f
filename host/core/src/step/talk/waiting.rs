//! Whoever waits for mail, or for a key to change.

use super::super::Context;
use super::reply;
use crate::talk::{On, Subject, Wait};
use crate::{Reply, TalkReply, Waiter};

/// Answers those who waited for this, if there is something for them now.
pub(super) fn wake(context: &mut Context<'_>, subject: &Subject) {
    for waiter in context.state.talk.waits.on(subject) {
        if context.state.talk.waits.get(waiter).is_some_and(|wait| is_over(context, wait)) {
            answer(context, waiter);
        }
    }
}

/// It has waited long enough.
pub(in super::super) fn give_up_waiting(context: &mut Context<'_>, waiter: Waiter) {
    answer(context, waiter);
}

/// Whoever waited went away.
pub(in super::super) fn stop_waiting(context: &mut Context<'_>, waiter: Waiter) {
    context.state.talk.waits.remove(waiter);
}

fn is_over(context: &Context<'_>, wait: &Wait) -> bool {
    let talk = &context.state.talk;
    match &wait.on {
        On::Mail(after, which) => talk.mail.has(&wait.agent, *after, *which),
        On::Key(key, known) => talk.board.version(key) != *known,
    }
}

/// Says how things stand, whatever came of the wait.
fn answer(context: &mut Context<'_>, waiter: Waiter) {
    let Some(Wait { agent, on, until: _ }) = context.state.talk.waits.remove(waiter) else { return };
    let talk = &context.state.talk;
    let told: Reply = reply(match on {
        On::Mail(after, _) => TalkReply::Mail(talk.mail.facts(&agent, Some(after))),
        On::Key(key, _) => TalkReply::Version(talk.board.version(&key)),
    });
    context.step.replies.push((waiter, told));
}
