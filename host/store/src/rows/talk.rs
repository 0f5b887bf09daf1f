//! Messages, shared state and the project's progress, as the core tells of them.

use longhouse_core::{TalkRow, TalkSeed};
use rusqlite::Connection;

use super::{counters, messages, settings, shared};
use crate::StoreError;

pub(crate) fn apply(connection: &Connection, row: &TalkRow) -> Result<(), StoreError> {
    match row {
        TalkRow::Insert(message) => messages::insert(connection, message),
        TalkRow::Ack(agent, acked, at) => messages::ack(connection, agent, acked, *at),
        TalkRow::Forget(through) => messages::forget(connection, *through),
        TalkRow::Follow(agent, channel) => messages::follow(connection, agent, channel),
        TalkRow::Unfollow(agent, channel) => messages::unfollow(connection, agent, channel),
        TalkRow::RemoveAgent(agent) => messages::remove_agent(connection, agent),
        TalkRow::Set { key, version, value, by, at } => {
            shared::set(connection, key, *version, value, by, *at)
        }
        TalkRow::Delete(key) => shared::delete(connection, key),
        TalkRow::SetProgress(progress) => settings::set_progress(connection, progress),
    }
}

/// What decisions need of it.
pub(crate) fn seed(connection: &Connection) -> Result<TalkSeed, StoreError> {
    Ok(TalkSeed {
        last_message: counters::get(connection, "message")?,
        received: messages::received(connection)?,
        unread: messages::unread(connection)?,
        follows: messages::follows(connection)?,
        last_version: counters::get(connection, "state_version")?,
        keys: shared::keys(connection)?,
    })
}
