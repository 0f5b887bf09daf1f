//! Runs and their output.

use std::time::Duration;

use longhouse_core::{
    AgentName, BootNumber, Chunk, Consumption, Limits, LiveRun, Outcome, Output, RunId, RunRecord, RunStatus,
    Stream, Timestamp,
};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{from_json, integer, number, parsed, to_json};
use crate::StoreError;

const COLUMNS: &str =
    "id, agent, argv, cwd, started_at, outcome, exit_code, reason, ended_at, wall_us, cpu_us,
    peak_memory, bytes_read, bytes_written, files_opened, output, chunks, truncated, changes";

/// The number a run is stored under. Later runs have greater numbers.
pub(crate) fn key(id: RunId) -> i64 {
    (i64::from(id.boot.0) << 32) | i64::from(id.number)
}

pub(crate) fn id(key: i64) -> Result<RunId, StoreError> {
    Ok(RunId {
        boot: BootNumber(number("runs.id", key >> 32)?),
        number: number("runs.id", key & 0xffff_ffff)?,
    })
}

pub(crate) fn put(connection: &Connection, record: &RunRecord) -> Result<(), StoreError> {
    let ended = Ended::of(&record.status);
    let argv = serde_json::Value::from(record.argv.clone()).to_string();
    let (output, chunks) = pack(&record.output);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO runs (id, agent, argv, cwd, started_at, outcome, exit_code, reason, ended_at,
                 wall_us, cpu_us, peak_memory, bytes_read, bytes_written, files_opened, output, chunks, truncated,
                 changes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        )?
        .execute(rusqlite::params![
            key(record.id),
            record.agent.as_str(),
            argv,
            record.cwd.as_str(),
            integer(record.started_at.as_millis()),
            ended.outcome,
            ended.exit_code,
            ended.reason,
            ended.at,
            micros(ended.consumption.wall),
            micros(ended.consumption.cpu),
            integer(ended.consumption.peak_memory),
            integer(ended.consumption.bytes_read),
            integer(ended.consumption.bytes_written),
            integer(ended.consumption.files_opened),
            output,
            chunks,
            record.output.truncated,
            record.changes.as_ref().map(to_json).transpose()?,
        ])?;
    Ok(())
}

pub(crate) fn find(connection: &Connection, id: RunId) -> Result<Option<RunRecord>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([key(id)], |row| Ok(record(row))).optional()?.transpose()
}

/// The newest runs first, before `before` if given; of one agent if given.
pub(crate) fn newest(
    connection: &Connection,
    agent: Option<&AgentName>,
    before: Option<RunId>,
    limit: u32,
) -> Result<Vec<RunRecord>, StoreError> {
    let filter = if agent.is_some() { "agent = ?1 AND" } else { "?1 IS NULL AND" };
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE {filter} id < ?2 ORDER BY id DESC LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows =
        statement.query((agent.map(AgentName::as_str), before.map_or(i64::MAX, key), i64::from(limit)))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(record(row)?);
    }
    Ok(records)
}

/// Jobs whose records say that they are running.
pub(crate) fn running(connection: &Connection) -> Result<Vec<LiveRun>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE outcome IS NULL ORDER BY id");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        let RunRecord { id, agent, argv, cwd, started_at, status: _, output: _, changes: _ } = record(row)?;
        runs.push(LiveRun {
            id,
            agent,
            argv,
            cwd,
            limits: Limits::default(),
            hold: None,
            started_at,
            job: true,
        });
    }
    Ok(runs)
}

/// The columns of a run's end; empty while it runs.
#[derive(Default)]
struct Ended<'a> {
    outcome: Option<&'static str>,
    exit_code: Option<u8>,
    reason: Option<&'a str>,
    at: Option<i64>,
    consumption: Consumption,
}

impl<'a> Ended<'a> {
    fn of(status: &'a RunStatus) -> Self {
        let RunStatus::Ended { outcome, consumption, at } = status else {
            return Self::default();
        };
        let (exit_code, reason) = match outcome {
            Outcome::Exited(code) => (Some(*code), None),
            Outcome::Trapped(reason) | Outcome::Killed(reason) | Outcome::Denied(reason) => {
                (None, Some(reason.as_str()))
            }
            Outcome::TimedOut | Outcome::OutOfMemory => (None, None),
        };
        Self {
            outcome: Some(outcome.as_str()),
            exit_code,
            reason,
            at: Some(integer(at.as_millis())),
            consumption: *consumption,
        }
    }
}

fn record(row: &Row<'_>) -> Result<RunRecord, StoreError> {
    Ok(RunRecord {
        id: id(row.get(0)?)?,
        agent: parsed("runs.agent", row.get(1)?)?,
        argv: from_json("runs.argv", row.get(2)?)?,
        cwd: parsed("runs.cwd", row.get(3)?)?,
        started_at: Timestamp::from_millis(number("runs.started_at", row.get(4)?)?),
        status: status(row)?,
        output: unpack(row.get(15)?, row.get(16)?, row.get(17)?)?,
        changes: row.get::<_, Option<String>>(18)?.map(|text| from_json("runs.changes", text)).transpose()?,
    })
}

fn status(row: &Row<'_>) -> Result<RunStatus, StoreError> {
    let Some(outcome) = row.get::<_, Option<String>>(5)? else {
        return Ok(RunStatus::Running);
    };
    let reason = || row.get::<_, Option<String>>(7).map(Option::unwrap_or_default);
    let outcome = match outcome.as_str() {
        "exited" => Outcome::Exited(row.get(6)?),
        "trapped" => Outcome::Trapped(reason()?),
        "timed_out" => Outcome::TimedOut,
        "out_of_memory" => Outcome::OutOfMemory,
        "killed" => Outcome::Killed(reason()?),
        "denied" => Outcome::Denied(reason()?),
        _ => return Err(StoreError::Impossible { column: "runs.outcome", value: outcome }),
    };
    let consumption = Consumption {
        wall: Duration::from_micros(number("runs.wall_us", row.get(9)?)?),
        cpu: Duration::from_micros(number("runs.cpu_us", row.get(10)?)?),
        peak_memory: number("runs.peak_memory", row.get(11)?)?,
        bytes_read: number("runs.bytes_read", row.get(12)?)?,
        bytes_written: number("runs.bytes_written", row.get(13)?)?,
        files_opened: number("runs.files_opened", row.get(14)?)?,
    };
    let at = Timestamp::from_millis(number("runs.ended_at", row.get(8)?)?);
    Ok(RunStatus::Ended { outcome, consumption, at })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// All bytes in one blob, and the list of which stream wrote how many of them.
fn pack(output: &Output) -> (Vec<u8>, String) {
    let bytes = output.chunks.iter().flat_map(|chunk| &chunk.bytes).copied().collect();
    let chunks: Vec<(u8, usize)> =
        output.chunks.iter().map(|chunk| (descriptor(chunk.stream), chunk.bytes.len())).collect();
    (bytes, serde_json::json!(chunks).to_string())
}

fn unpack(bytes: Vec<u8>, chunks: String, truncated: bool) -> Result<Output, StoreError> {
    let lengths: Vec<(u8, usize)> = from_json("runs.chunks", chunks)?;
    let mut rest = bytes.as_slice();
    let mut offset = 0;
    let mut chunks = Vec::with_capacity(lengths.len());
    for (descriptor, length) in lengths {
        let impossible =
            || StoreError::Impossible { column: "runs.chunks", value: format!("{descriptor} {length}") };
        let stream = match descriptor {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            _ => return Err(impossible()),
        };
        let (chunk, after) = rest.split_at_checked(length).ok_or_else(impossible)?;
        chunks.push(Chunk { offset, stream, bytes: chunk.to_vec() });
        rest = after;
        offset += u64::try_from(length).unwrap_or(u64::MAX);
    }
    Ok(Output { chunks, truncated })
}

/// A stream as POSIX numbers it.
const fn descriptor(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    }
}
