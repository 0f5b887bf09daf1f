//! SQL, one file per subject: plainly named functions that take a connection.

pub(crate) mod agents;
pub(crate) mod changes;
pub(crate) mod commits;
pub(crate) mod counters;
pub(crate) mod crew;
pub(crate) mod denials;
pub(crate) mod events;
pub(crate) mod locks;
pub(crate) mod messages;
pub(crate) mod replies;
pub(crate) mod runs;
pub(crate) mod settings;
pub(crate) mod shared;
pub(crate) mod talk;
pub(crate) mod tasks;
pub(crate) mod tokens;

use longhouse_core::Row;
use rusqlite::Connection;

use crate::StoreError;

/// Writes one row change. The caller holds the transaction.
pub(crate) fn apply(connection: &Connection, row: &Row) -> Result<(), StoreError> {
    match row {
        Row::PutAgent(agent) => agents::put(connection, agent),
        Row::DeleteAgent(name) => agents::delete(connection, name),
        Row::PutToken(token) => tokens::put(connection, token),
        Row::DeleteToken(hash) => tokens::delete(connection, hash),
        Row::PutRun(record) => runs::put(connection, record),
        Row::Task(row) => tasks::apply(connection, row),
        Row::SetQueueRules(rules) => settings::set_queue_rules(connection, rules),
        Row::SetPolicies(policies) => settings::set_policies(connection, policies),
        Row::SetFenceLimit(limit) => counters::set_fence_limit(connection, *limit),
        Row::KeepReply(kept) => replies::keep(connection, kept),
        Row::ForgetReplies(agent, keys) => replies::forget(connection, agent, keys),
        Row::ForgetAllReplies(agent) => replies::forget_all(connection, agent),
        Row::SetDelivered(hook, event) => counters::set_delivered(connection, hook, *event),
        Row::Audit(denied, at) => denials::add(connection, denied, *at),
        Row::Lock(row) => locks::apply(connection, row),
        Row::Talk(row) => talk::apply(connection, row),
        Row::Crew(row) => crew::apply(connection, row),
        Row::Commit(row) => commits::apply(connection, row),
    }
}

/// A stored value as the number type that the code uses; out of range is damage, not a wrap-around.
fn number<T: TryFrom<i64>>(column: &'static str, value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Impossible { column, value: value.to_string() })
}

/// A number as SQLite stores it; what does not fit into 63 bits is stored as the largest that does.
fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A stored text as what it was written from.
fn parsed<T: std::str::FromStr>(column: &'static str, text: String) -> Result<T, StoreError> {
    text.parse().map_err(|_| StoreError::Impossible { column, value: text })
}

/// A stored JSON text as what it was written from.
fn from_json<T: serde::de::DeserializeOwned>(column: &'static str, text: String) -> Result<T, StoreError> {
    serde_json::from_str(&text).map_err(|_| StoreError::Impossible { column, value: text })
}

/// A value as JSON text.
fn to_json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::Unwritable)
}
