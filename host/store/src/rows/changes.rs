//! What commits do, path by path.

use longhouse_core::{Change, CommitNumber, EntryName, Operation, ProjectPath, RedoList, Timestamp, Version};
use rusqlite::{Connection, Row};

use super::{integer, parsed};
use crate::StoreError;

/// Which change of which commit, counted from 0.
pub type ChangeAt = (CommitNumber, u32);

const SELECT: &str = "SELECT path, operation, staged, moved_from, base, new, history FROM commit_changes";

pub(super) fn insert(
    connection: &Connection,
    number: CommitNumber,
    redo: &RedoList,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO commit_changes (number, n, path, operation, staged, moved_from, base, new, history)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for (n, change) in (0_i64..).zip(redo.changes()) {
        let (operation, staged, moved_from) = match &change.operation {
            Operation::Put { staged } => ("put", Some(staged.as_str()), None),
            Operation::Remove => ("remove", None, None),
            Operation::Move { from } => ("move", None, Some(from.as_str())),
            Operation::Found => ("found", None, None),
        };
        statement.execute((
            integer(number.0),
            n,
            change.path.as_str(),
            operation,
            staged,
            moved_from,
            change.base.map(Version::to_bytes),
            change.new.map(Version::to_bytes),
            change.history.as_ref().map(EntryName::as_str),
        ))?;
    }
    Ok(())
}

/// All that a commit does.
pub(super) fn redo(connection: &Connection, number: CommitNumber) -> Result<RedoList, StoreError> {
    let changes = list(connection, number, 0, u32::MAX)?;
    RedoList::new(changes)
        .map_err(|refusal| StoreError::Impossible { column: "commit_changes", value: refusal.to_string() })
}

/// What a commit does, in order, from the `from`th change on.
pub(crate) fn list(
    connection: &Connection,
    number: CommitNumber,
    from: u32,
    limit: u32,
) -> Result<Vec<Change>, StoreError> {
    let sql = format!("{SELECT} WHERE number = ?1 AND n >= ?2 ORDER BY n LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((integer(number.0), from, limit))?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(change(row)?);
    }
    Ok(changes)
}

/// The first change after the `n`th of commit `number` that did something to `path` or to a directory that it lies in, and
/// where in the journal it stands.
pub(crate) fn next(
    connection: &Connection,
    path: &ProjectPath,
    (number, n): (CommitNumber, u32),
) -> Result<Option<(CommitNumber, u32, Change)>, StoreError> {
    // Each as a text of its own, so that each has its index.
    let sql = |column: &str| {
        format!(
            "SELECT path, operation, staged, moved_from, base, new, history, commit_changes.number, n
             FROM commit_changes JOIN commits USING (number)
             WHERE {column} = ?1 AND (commit_changes.number, n) > (?2, ?3) AND status != 'aborted'
             ORDER BY commit_changes.number, n LIMIT 1"
        )
    };
    let mut first: Option<(CommitNumber, u32, Change)> = None;
    for column in ["path", "moved_from"] {
        let mut statement = connection.prepare_cached(&sql(column))?;
        for path in std::iter::once(path.as_str()).chain(path.above()) {
            let mut rows = statement.query((path, integer(number.0), n))?;
            let Some(row) = rows.next()? else { continue };
            let at = (CommitNumber(super::number("commit_changes.number", row.get(7)?)?), row.get(8)?);
            if first.as_ref().is_none_or(|(number, n, _)| at < (*number, *n)) {
                first = Some((at.0, at.1, change(row)?));
            }
        }
    }
    Ok(first)
}

/// Where what once lay at `path` is kept, the latest first: this version of it, or all.
pub(crate) fn kept(
    connection: &Connection,
    path: &ProjectPath,
    version: Option<Version>,
    limit: u32,
) -> Result<Vec<EntryName>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT history FROM commit_changes JOIN commits USING (number)
         WHERE path = ?1 AND (?2 IS NULL OR base = ?2) AND history IS NOT NULL AND status != 'aborted'
         ORDER BY commit_changes.number DESC LIMIT ?3",
    )?;
    let mut rows = statement.query((path.as_str(), version.map(Version::to_bytes), limit))?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        kept.push(parsed("commit_changes.history", row.get(0)?)?);
    }
    Ok(kept)
}

/// What is kept for changes after this one, of commits that ended before a time, in the order of the journal.
pub(crate) fn kept_before(
    connection: &Connection,
    ended: Timestamp,
    (number, n): ChangeAt,
    limit: u32,
) -> Result<Vec<(ChangeAt, EntryName)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT commit_changes.number, n, history FROM commit_changes JOIN commits USING (number)
         WHERE (commit_changes.number, n) > (?1, ?2) AND ended_ms < ?3 AND history IS NOT NULL
             AND status = 'retired'
         ORDER BY commit_changes.number, n LIMIT ?4",
    )?;
    let mut rows = statement.query((integer(number.0), n, integer(ended.as_millis()), limit))?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        let number = CommitNumber(super::number("commits.number", row.get(0)?)?);
        kept.push(((number, row.get(1)?), parsed("commit_changes.history", row.get(2)?)?));
    }
    Ok(kept)
}

fn change(row: &Row<'_>) -> Result<Change, StoreError> {
    let operation: String = row.get(1)?;
    let (staged, from): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
    let operation = match (operation.as_str(), staged, from) {
        ("put", Some(staged), None) => Operation::Put { staged: parsed("commit_changes.staged", staged)? },
        ("move", None, Some(from)) => Operation::Move { from: path(from)? },
        ("remove", None, None) => Operation::Remove,
        ("found", None, None) => Operation::Found,
        _ => return Err(StoreError::Impossible { column: "commit_changes.operation", value: operation }),
    };
    let history: Option<String> = row.get(6)?;
    Ok(Change {
        path: path(row.get(0)?)?,
        operation,
        base: version(row.get(4)?)?,
        new: version(row.get(5)?)?,
        history: history.map(|name| parsed("commit_changes.history", name)).transpose()?,
    })
}

fn path(text: String) -> Result<ProjectPath, StoreError> {
    parsed("commit_changes.path", text)
}

fn version(bytes: Option<Vec<u8>>) -> Result<Option<Version>, StoreError> {
    let of = |bytes: Vec<u8>| {
        let impossible =
            || StoreError::Impossible { column: "commit_changes.base", value: format!("{bytes:?}") };
        Version::from_bytes(&bytes).ok_or_else(impossible)
    };
    bytes.map(of).transpose()
}
