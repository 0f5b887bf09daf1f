//! Commits, and who may not know of a lost lease.

use std::sync::Arc;

use longhouse_core::{
    Abort, AgentName, BootNumber, Commit, CommitNumber, CommitRow, CommitSeed, CommitStatus, Fence, Hold,
    Key, Keyed, ProjectPath, ReservationId, RunId, TaskId, Timestamp, Unfinished,
};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{changes, from_json, integer, number, parsed, runs, to_json};
use crate::StoreError;

/// Which commits to list.
#[derive(Debug, Clone, Default)]
pub struct CommitFilter {
    /// Only this agent's.
    pub agent: Option<AgentName>,
    /// Only those that belong to this task.
    pub task: Option<TaskId>,
    /// Only those that changed this path, or moved something away from it.
    pub path: Option<ProjectPath>,
    /// Only those before this one.
    pub before: Option<CommitNumber>,
    /// At most so many.
    pub limit: u32,
}

/// A commit as it is kept, without what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRecord {
    /// Which.
    pub number: CommitNumber,
    /// Where it stands.
    pub status: CommitStatus,
    /// Who made it; `None` if the server found it.
    pub agent: Option<AgentName>,
    /// Under which lease.
    pub task: Option<Hold>,
    /// In which run.
    pub run: Option<RunId>,
    /// When it was intended.
    pub at: Timestamp,
    /// When it was published or aborted.
    pub ended_at: Option<Timestamp>,
    /// Why it was aborted.
    pub why: Option<Abort>,
    /// How many changes it makes.
    pub changes: u32,
}

const RECORD: &str =
    "SELECT number, status, agent, task, fence, run, at_ms, ended_ms, why, changes FROM commits";

pub(crate) fn apply(connection: &Connection, row: &CommitRow) -> Result<(), StoreError> {
    match row {
        CommitRow::Insert(commit) => insert(connection, commit),
        CommitRow::Publish(number, at) => end(connection, *number, CommitStatus::Published, *at, None),
        CommitRow::Abort(number, at, why) => end(connection, *number, CommitStatus::Aborted, *at, Some(why)),
        CommitRow::RetireThrough(last) => retire_through(connection, *last),
        CommitRow::PutUnaware(agent, hold) => put_unaware(connection, agent, *hold),
        CommitRow::DeleteUnaware(agent) => delete_unaware(connection, agent),
    }
}

fn insert(connection: &Connection, commit: &Commit) -> Result<(), StoreError> {
    let Commit { number, reservation, agent, task, run, keyed, at, redo } = commit;
    connection
        .prepare_cached(
            "INSERT INTO commits
                 (number, status, boot, reservation, agent, task, fence, run, key, hash, at_ms, changes)
             VALUES (?1, 'intended', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute((
            integer(number.0),
            reservation.boot.0,
            integer(reservation.number),
            agent.as_ref().map(AgentName::as_str),
            task.map(|hold| integer(hold.task.0)),
            task.map(|hold| integer(hold.fence.0)),
            run.map(runs::key),
            keyed.as_ref().map(|keyed| keyed.key.as_str()),
            keyed.as_ref().map(|keyed| keyed.hash.cast_signed()),
            integer(at.as_millis()),
            u32::try_from(redo.changes().len()).unwrap_or(u32::MAX),
        ))?;
    changes::insert(connection, *number, redo)
}

fn end(
    connection: &Connection,
    number: CommitNumber,
    status: CommitStatus,
    at: Timestamp,
    why: Option<&Abort>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE commits SET status = ?2, ended_ms = ?3, why = ?4 WHERE number = ?1")?
        .execute((integer(number.0), status.as_str(), integer(at.as_millis()), why.map(to_json).transpose()?))?;
    Ok(())
}

fn retire_through(connection: &Connection, last: CommitNumber) -> Result<(), StoreError> {
    // Said as the index has it, so that it is used.
    connection
        .prepare_cached(
            "UPDATE commits SET status = 'retired'
             WHERE status IN ('intended', 'published') AND status = 'published' AND number <= ?1",
        )?
        .execute([integer(last.0)])?;
    Ok(())
}

fn put_unaware(connection: &Connection, agent: &AgentName, hold: Hold) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO unaware (agent, task, fence) VALUES (?1, ?2, ?3)")?
        .execute((agent.as_str(), integer(hold.task.0), integer(hold.fence.0)))?;
    Ok(())
}

fn delete_unaware(connection: &Connection, agent: &AgentName) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM unaware WHERE agent = ?1")?.execute([agent.as_str()])?;
    Ok(())
}

/// What the state of commits is rebuilt from, after so many reservations in this boot.
pub(crate) fn seed(connection: &Connection, last_reservation: u64) -> Result<CommitSeed, StoreError> {
    Ok(CommitSeed {
        last: last_number(connection)?,
        last_reservation,
        unfinished: unfinished(connection)?,
        unaware: unaware(connection)?,
    })
}

/// The number of the last commit ever intended; 0 if there was none.
pub(crate) fn last_number(connection: &Connection) -> Result<u64, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'commits'")?;
    let last: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    last.map_or(Ok(0), |last| number("sqlite_sequence.seq", last))
}

fn unfinished(connection: &Connection) -> Result<Vec<Unfinished>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT number, status, agent, task, fence, run, at_ms, boot, reservation, key, hash FROM commits
         WHERE status IN ('intended', 'published') ORDER BY number",
    )?;
    let mut rows = statement.query([])?;
    let mut unfinished = Vec::new();
    while let Some(row) = rows.next()? {
        let commit = CommitNumber(number("commits.number", row.get(0)?)?);
        let reservation = ReservationId {
            boot: BootNumber(number("commits.boot", row.get(7)?)?),
            number: number("commits.reservation", row.get(8)?)?,
        };
        let keyed = match (row.get::<_, Option<String>>(9)?, row.get::<_, Option<i64>>(10)?) {
            (Some(key), Some(hash)) => {
                Some(Keyed { key: parsed::<Key>("commits.key", key)?, hash: hash.cast_unsigned() })
            }
            (_, _) => None,
        };
        let (agent, task, run) = (agent(row)?, hold(row)?, run(row)?);
        let at = Timestamp::from_millis(number("commits.at_ms", row.get(6)?)?);
        let redo = changes::redo(connection, commit)?;
        let is_published = status(row)? == CommitStatus::Published;
        let commit = Commit { number: commit, reservation, agent, task, run, keyed, at, redo };
        unfinished.push(Unfinished { commit: Arc::new(commit), is_published });
    }
    Ok(unfinished)
}

fn unaware(connection: &Connection) -> Result<Vec<(AgentName, Hold)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT agent, task, fence FROM unaware")?;
    let mut rows = statement.query([])?;
    let mut unaware = Vec::new();
    while let Some(row) = rows.next()? {
        let hold = Hold {
            task: TaskId(number("unaware.task", row.get(1)?)?),
            fence: Fence(number("unaware.fence", row.get(2)?)?),
        };
        unaware.push((parsed("unaware.agent", row.get(0)?)?, hold));
    }
    Ok(unaware)
}

/// A commit, wherever it stands.
pub(crate) fn find(
    connection: &Connection,
    number: CommitNumber,
) -> Result<Option<CommitRecord>, StoreError> {
    let sql = format!("{RECORD} WHERE number = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([integer(number.0)], |row| Ok(record(row))).optional()?.transpose()
}

/// The commits after this one, in order, and where they stand.
pub(crate) fn after(
    connection: &Connection,
    number: CommitNumber,
    limit: u32,
) -> Result<Vec<(CommitNumber, CommitStatus)>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT number, status FROM commits WHERE number > ?1 ORDER BY number LIMIT ?2")?;
    let mut rows = statement.query((integer(number.0), limit))?;
    let mut commits = Vec::new();
    while let Some(row) = rows.next()? {
        commits.push((CommitNumber(super::number("commits.number", row.get(0)?)?), status(row)?));
    }
    Ok(commits)
}

/// What was published, the newest first.
pub(crate) fn newest(
    connection: &Connection,
    filter: &CommitFilter,
) -> Result<Vec<CommitRecord>, StoreError> {
    // Each as a text of its own, so that each has its index.
    let agent = if filter.agent.is_some() { "agent = ?1" } else { "?1 IS NULL" };
    let task = if filter.task.is_some() { "task = ?2" } else { "?2 IS NULL" };
    let path = if filter.path.is_some() {
        "number IN (SELECT number FROM commit_changes WHERE path = ?3
                    UNION SELECT number FROM commit_changes WHERE moved_from = ?3)"
    } else {
        "?3 IS NULL"
    };
    let sql = format!(
        "{RECORD} WHERE {agent} AND {task} AND {path} AND number < ?4 AND status IN ('published', 'retired')
         ORDER BY number DESC LIMIT ?5"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((
        filter.agent.as_ref().map(AgentName::as_str),
        filter.task.map(|task| integer(task.0)),
        filter.path.as_ref().map(ProjectPath::as_str),
        filter.before.map_or(i64::MAX, |before| integer(before.0)),
        filter.limit,
    ))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

fn record(row: &Row<'_>) -> Result<CommitRecord, StoreError> {
    let ended_at: Option<i64> = row.get(7)?;
    let why: Option<String> = row.get(8)?;
    Ok(CommitRecord {
        number: CommitNumber(number("commits.number", row.get(0)?)?),
        status: status(row)?,
        agent: agent(row)?,
        task: hold(row)?,
        run: run(row)?,
        at: Timestamp::from_millis(number("commits.at_ms", row.get(6)?)?),
        ended_at: ended_at
            .map(|ms| number("commits.ended_ms", ms).map(Timestamp::from_millis))
            .transpose()?,
        why: why.map(|why| from_json("commits.why", why)).transpose()?,
        changes: number("commits.changes", row.get(9)?)?,
    })
}

// The columns that both selections begin with: number, status, agent, task, fence, run, at_ms.

fn status(row: &Row<'_>) -> Result<CommitStatus, StoreError> {
    let text: String = row.get(1)?;
    let known = CommitStatus::ALL.into_iter().find(|status| status.as_str() == text);
    known.ok_or(StoreError::Impossible { column: "commits.status", value: text })
}

fn agent(row: &Row<'_>) -> Result<Option<AgentName>, StoreError> {
    let agent: Option<String> = row.get(2)?;
    agent.map(|agent| parsed("commits.agent", agent)).transpose()
}

fn hold(row: &Row<'_>) -> Result<Option<Hold>, StoreError> {
    let (Some(task), Some(fence)) = (row.get::<_, Option<i64>>(3)?, row.get::<_, Option<i64>>(4)?) else {
        return Ok(None);
    };
    Ok(Some(Hold {
        task: TaskId(number("commits.task", task)?),
        fence: Fence(number("commits.fence", fence)?),
    }))
}

fn run(row: &Row<'_>) -> Result<Option<RunId>, StoreError> {
    let run: Option<i64> = row.get(5)?;
    run.map(runs::id).transpose()
}
