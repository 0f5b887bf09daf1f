//! Answers to requests with an idempotency key.

use std::sync::Arc;

use longhouse_core::{AgentName, KeptReply, Key, Keyed, Timestamp};
use rusqlite::Connection;

use super::{from_json, integer, number, parsed, to_json};
use crate::StoreError;

pub(crate) fn keep(connection: &Connection, kept: &KeptReply) -> Result<(), StoreError> {
    let KeptReply { agent, keyed, reply, at } = kept;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO replies (agent, key, hash, reply, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            agent.as_str(),
            keyed.key.as_str(),
            keyed.hash.cast_signed(),
            to_json(reply)?,
            integer(at.as_millis()),
        ))?;
    Ok(())
}

pub(crate) fn forget(connection: &Connection, agent: &AgentName, keys: &[Key]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("DELETE FROM replies WHERE agent = ?1 AND key = ?2")?;
    for key in keys {
        statement.execute((agent.as_str(), key.as_str()))?;
    }
    Ok(())
}

pub(crate) fn forget_all(connection: &Connection, agent: &AgentName) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM replies WHERE agent = ?1")?.execute([agent.as_str()])?;
    Ok(())
}

/// All of them, the oldest first.
pub(crate) fn all(connection: &Connection) -> Result<Vec<KeptReply>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT agent, key, hash, reply, at_ms FROM replies ORDER BY at_ms")?;
    let mut rows = statement.query([])?;
    let mut replies = Vec::new();
    while let Some(row) = rows.next()? {
        let hash: i64 = row.get(2)?;
        replies.push(KeptReply {
            agent: parsed("replies.agent", row.get(0)?)?,
            keyed: Keyed { key: parsed("replies.key", row.get(1)?)?, hash: hash.cast_unsigned() },
            reply: Arc::new(from_json("replies.reply", row.get(3)?)?),
            at: Timestamp::from_millis(number("replies.at_ms", row.get(4)?)?),
        });
    }
    Ok(replies)
}
