//! Counters that outlive a process.

use longhouse_core::BootNumber;
use rusqlite::Connection;

use super::number;
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
