//! Counters that outlive a process.

use longhouse_core::{BootNumber, EventSeq, Fence, HookName};
use rusqlite::{Connection, OptionalExtension as _};

use super::{integer, number};
use crate::StoreError;

/// Counts one more opening of the project; also the proof that the database can be written.
pub(crate) fn next_boot(connection: &Connection) -> Result<BootNumber, StoreError> {
    let boot: i64 = connection.query_row(
        "INSERT INTO counters (name, value) VALUES ('boot', 1)
         ON CONFLICT (name) DO UPDATE SET value = value + 1
         RETURNING value",
        [],
        |row| row.get(0),
    )?;
    Ok(BootNumber(number("counters.boot", boot)?))
}

pub(crate) fn set_fence_limit(connection: &Connection, limit: Fence) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO counters (name, value) VALUES ('fence', ?1)")?
        .execute([integer(limit.0)])?;
    Ok(())
}

/// A webhook has everything up to this event.
pub(crate) fn set_delivered(
    connection: &Connection,
    hook: &HookName,
    event: EventSeq,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO counters (name, value) VALUES ('webhook:' || ?1, ?2)")?
        .execute((hook.as_str(), integer(event.0)))?;
    Ok(())
}

/// Up to which event a webhook has everything; `None` if it never had any.
pub(crate) fn delivered(connection: &Connection, hook: &HookName) -> Result<Option<EventSeq>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT value FROM counters WHERE name = 'webhook:' || ?1")?;
    let event: Option<i64> = statement.query_row([hook.as_str()], |row| row.get(0)).optional()?;
    event.map(|event| number("counters.value", event).map(EventSeq)).transpose()
}

/// No fence above this one was given.
pub(crate) fn fence_limit(connection: &Connection) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM counters WHERE name = 'fence'")?;
    let limit: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    limit.map_or(Ok(0), |limit| number("counters.value", limit))
}

/// Puts a counter to this number.
pub(crate) fn set(connection: &Connection, name: &str, value: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO counters (name, value) VALUES (?1, ?2)")?
        .execute((name, integer(value)))?;
    Ok(())
}

/// Where a counter stands; 0 if it never was put anywhere.
pub(crate) fn get(connection: &Connection, name: &str) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM counters WHERE name = ?1")?;
    let value: Option<i64> = statement.query_row([name], |row| row.get(0)).optional()?;
    value.map_or(Ok(0), |value| number("counters.value", value))
}
