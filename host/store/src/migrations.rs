//! The schema, in numbered steps that only go forward.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::StoreError;

/// Marks the file as ours: "LngH" in ASCII.
const APPLICATION_ID: i32 = 0x4c6e_6748;

/// Step `n` (from 1) brings schema `n - 1` to `n`. A released step is never changed.
const STEPS: &[&str] = &[
    include_str!("../migrations/0001_foundation.sql"),
    include_str!("../migrations/0002_tasks.sql"),
    include_str!("../migrations/0003_locks.sql"),
    include_str!("../migrations/0004_talk.sql"),
    include_str!("../migrations/0005_crew.sql"),
    include_str!("../migrations/0006_commits.sql"),
    include_str!("../migrations/0007_completed.sql"),
    include_str!("../migrations/0008_run_changes.sql"),
    include_str!("../migrations/0009_denials.sql"),
];

/// Brings the database to the newest schema, in one transaction.
///
/// # Errors
/// When the file belongs to another program or a newer version of this one.
pub(crate) fn run(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i32 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = tables == 0 && application == 0 && found == 0;
    if !empty && application != APPLICATION_ID {
        return Err(StoreError::NotOurs(path.to_owned()));
    }
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(usize::MAX)) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::open_writer;

    #[test]
    fn opening_twice_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        let schema = |connection: &Connection| -> i64 {
            connection.pragma_query_value(None, "schema_version", |row| row.get(0)).unwrap()
        };
        let first = schema(&open_writer(&path).unwrap());
        assert_eq!(schema(&open_writer(&path).unwrap()), first);
    }

    #[test]
    fn another_programs_database_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(open_writer(&path), Err(StoreError::NotOurs(_))));
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        open_writer(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(open_writer(&path), Err(StoreError::SchemaTooNew { found: 99, .. })));
    }
}
