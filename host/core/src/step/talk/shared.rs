//! Shared state: values under keys, changed by compare-and-set.

use std::sync::Arc;

use super::super::{Answer, Context};
use super::{reply, waiting};
use crate::talk::{On, Subject, Wait};
use crate::{
    Precondition, Refusal, Reply, Role, StateKey, StateVersion, TalkEvent, TalkRefusal, TalkReply, TalkRow,
    Timestamp,
};

pub(super) fn set(
    context: &mut Context<'_>,
    key: StateKey,
    value: Arc<str>,
    expected: Precondition,
) -> Answer {
    let by = context.agent(Role::Worker)?.name.clone();
    check(context, &key, expected)?;
    context.state.talk.board.check_room(&key, &value)?;
    let version = context.state.talk.board.set(&key, &value);
    let bytes = u64::try_from(value.len()).unwrap_or(u64::MAX);
    context.talk_row(TalkRow::Set { key: key.clone(), version, value, by, at: context.now });
    context.talk_event(TalkEvent::StateSet { key: key.clone(), version, bytes });
    waiting::wake(context, &Subject::Key(key));
    Ok(reply(TalkReply::Version(version)))
}

pub(super) fn delete(context: &mut Context<'_>, key: StateKey, expected: Precondition) -> Answer {
    context.agent(Role::Worker)?;
    let version = check(context, &key, expected)?;
    if version == StateVersion::ABSENT {
        return Err(TalkRefusal::NoSuchKey(key).into());
    }
    context.state.talk.board.remove(&key);
    context.talk_row(TalkRow::Delete(key.clone()));
    context.talk_event(TalkEvent::StateDeleted { key: key.clone(), version });
    waiting::wake(context, &Subject::Key(key));
    Ok(reply(TalkReply::Version(StateVersion::ABSENT)))
}

/// Answers at once if the version is another than the one that is known, or nobody is to wait.
pub(super) fn look(
    context: &mut Context<'_>,
    key: StateKey,
    after: Option<StateVersion>,
    until: Option<Timestamp>,
) -> Result<Option<Reply>, Refusal> {
    let agent = context.agent(Role::Observer)?.name.clone();
    let current = context.state.talk.board.version(&key);
    if let (Some(after), Some(until)) = (after, until.filter(|until| *until > context.now))
        && after == current
    {
        context.state.talk.waits.add(context.waiter, Wait { agent, on: On::Key(key, after), until });
        return Ok(None);
    }
    Ok(Some(reply(TalkReply::Version(current))))
}

/// The version, if the key stands as expected.
fn check(context: &Context<'_>, key: &StateKey, expected: Precondition) -> Result<StateVersion, TalkRefusal> {
    let current = context.state.talk.board.version(key);
    if expected.holds(current) { Ok(current) } else { Err(TalkRefusal::Stale { key: key.clone(), current }) }
}
