//! Locks in force.

use longhouse_core::{Lock, LockId, LockRow};
use rusqlite::{Connection, OptionalExtension as _};

use super::{from_json, integer, number, to_json};
use crate::StoreError;

pub(crate) fn apply(connection: &Connection, row: &LockRow) -> Result<(), StoreError> {
    match row {
        LockRow::Put(lock) => put(connection, lock),
        LockRow::Delete(id) => delete(connection, *id),
    }
}

fn put(connection: &Connection, lock: &Lock) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO locks (id, lock) VALUES (?1, ?2)")?
        .execute((integer(lock.id.0), to_json(lock)?))?;
    Ok(())
}

fn delete(connection: &Connection, id: LockId) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM locks WHERE id = ?1")?.execute([integer(id.0)])?;
    Ok(())
}

/// All of them.
pub(crate) fn all(connection: &Connection) -> Result<Vec<Lock>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT lock FROM locks ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut locks = Vec::new();
    while let Some(row) = rows.next()? {
        locks.push(from_json("locks.lock", row.get(0)?)?);
    }
    Ok(locks)
}

/// The number of the last lock ever taken; 0 if there was none.
pub(crate) fn last_id(connection: &Connection) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'locks'")?;
    let last: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    last.map_or(Ok(0), |last| number("sqlite_sequence.seq", last))
}
