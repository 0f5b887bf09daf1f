//! Opening the database file: how durable, how checked.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::{StoreError, migrations};

/// SQLite before this version may lose or corrupt committed data when a WAL is reset.
const OLDEST_SQLITE: (i32, &str) = (3_051_003, "3.51.3");

/// Enough for every statement of this crate, so that none is ever parsed twice.
const STATEMENT_CACHE: usize = 64;

/// How long a statement waits for another connection's lock; only readers meeting a checkpoint ever do.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the one connection that writes, creating and migrating the database as needed.
///
/// WAL with `synchronous=FULL`: when COMMIT has returned, the transaction survives a power cut.
///
/// # Errors
/// When SQLite is too old, the file is not ours, too new, or damaged.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    check_sqlite_version()?;
    let mut connection = Connection::open(path)?;
    configure(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The writer checkpoints by itself, after its callers were answered.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    check_health(&connection)?;
    migrations::run(&mut connection, path)?;
    Ok(connection)
}

/// Opens one connection for reading.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// What readers and the writer have in common. Query plans do not depend on what is bound: else SQLite parses some
/// statements anew for each use, which was a third of a claim's cost.
fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn check_sqlite_version() -> Result<(), StoreError> {
    let (oldest, needed) = OLDEST_SQLITE;
    if rusqlite::version_number() < oldest {
        return Err(StoreError::SqliteTooOld { found: rusqlite::version(), needed });
    }
    Ok(())
}

fn check_health(connection: &Connection) -> Result<(), StoreError> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged(verdict)) }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn the_linked_sqlite_is_new_enough_and_a_commit_is_synced() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open_writer(&dir.path().join("t.db")).unwrap();
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("synchronous"), 2, "FULL");
        assert_eq!(pragma("foreign_keys"), 1);
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }

    #[test]
    fn a_statement_is_parsed_once_whatever_is_bound() {
        let dir = tempfile::tempdir().unwrap();
        let connection = open_writer(&dir.path().join("t.db")).unwrap();
        let sql = "SELECT title FROM tasks JOIN task_texts ON task = tasks.id WHERE tasks.id = ?1";
        for id in 0..10 {
            assert!(!connection.prepare_cached(sql).unwrap().exists([id]).unwrap());
        }
        let statement = connection.prepare_cached(sql).unwrap();
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn a_reader_cannot_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        let _writer = open_writer(&path).unwrap();
        assert!(open_reader(&path).unwrap().execute("DELETE FROM agents", []).is_err());
    }
}
