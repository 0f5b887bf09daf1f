//! Shared state.

use longhouse_core::{AgentName, StateKey, StateVersion, Timestamp};
use rusqlite::{Connection, OptionalExtension as _};

use super::{counters, integer, number, parsed};
use crate::StoreError;

/// A value of the shared state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedValue {
    /// Its version.
    pub version: StateVersion,
    /// JSON.
    pub value: String,
    /// Who put it there.
    pub set_by: AgentName,
    /// When.
    pub at: Timestamp,
}

/// A key that has a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedKey {
    /// Which.
    pub key: StateKey,
    /// The value's version.
    pub version: StateVersion,
    /// The value's length.
    pub bytes: u64,
    /// Who put it there.
    pub set_by: AgentName,
    /// When.
    pub at: Timestamp,
}

/// Which keys to list.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Only those that begin like this.
    pub prefix: String,
    /// Only those after this one.
    pub after: Option<StateKey>,
    /// At most so many.
    pub limit: u32,
}

pub(crate) fn set(
    connection: &Connection,
    key: &StateKey,
    version: StateVersion,
    value: &str,
    by: &AgentName,
    at: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO shared_state (key, version, value, set_by, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((key.as_str(), integer(version.0), value, by.as_str(), integer(at.as_millis())))?;
    counters::set(connection, "state_version", version.0)
}

pub(crate) fn delete(connection: &Connection, key: &StateKey) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM shared_state WHERE key = ?1")?.execute([key.as_str()])?;
    Ok(())
}

/// Every key, with its version and the length of key and value.
pub(crate) fn keys(connection: &Connection) -> Result<Vec<(StateKey, StateVersion, u64)>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT key, version, octet_length(key) + octet_length(value) FROM shared_state")?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let version = StateVersion(number("shared_state.version", row.get(1)?)?);
        keys.push((
            parsed("shared_state.key", row.get(0)?)?,
            version,
            number("shared_state.value", row.get(2)?)?,
        ));
    }
    Ok(keys)
}

pub(crate) fn find(connection: &Connection, key: &StateKey) -> Result<Option<SharedValue>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT version, value, set_by, at_ms FROM shared_state WHERE key = ?1")?;
    let found: Option<(i64, String, String, i64)> = statement
        .query_row([key.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((version, value, set_by, at)) = found else { return Ok(None) };
    Ok(Some(SharedValue {
        version: StateVersion(number("shared_state.version", version)?),
        value,
        set_by: parsed("shared_state.set_by", set_by)?,
        at: Timestamp::from_millis(number("shared_state.at_ms", at)?),
    }))
}

/// Keys in their order.
pub(crate) fn list(connection: &Connection, filter: &KeyFilter) -> Result<Vec<SharedKey>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT key, version, octet_length(value), set_by, at_ms FROM shared_state
         WHERE key > ?1 AND key >= ?2 AND substr(key, 1, length(?2)) = ?2 ORDER BY key LIMIT ?3",
    )?;
    let after = filter.after.as_ref().map_or("", StateKey::as_str);
    let mut rows = statement.query((after, &filter.prefix, filter.limit))?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(SharedKey {
            key: parsed("shared_state.key", row.get(0)?)?,
            version: StateVersion(number("shared_state.version", row.get(1)?)?),
            bytes: number("shared_state.value", row.get(2)?)?,
            set_by: parsed("shared_state.set_by", row.get(3)?)?,
            at: Timestamp::from_millis(number("shared_state.at_ms", row.get(4)?)?),
        });
    }
    Ok(keys)
}
