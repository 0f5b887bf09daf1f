//! The history of what happened.

use longhouse_core::{AgentName, Event, EventKind, EventSeq, RunId, TaskId, Timestamp};
use rusqlite::{Connection, Row};
use serde_json::json;
use serde_json::value::RawValue;

use super::{integer, number, parsed, runs, to_json};
use crate::StoreError;

/// Which events to read.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only those after this one.
    pub after: u64,
    /// Only of these types; of all if empty. `task.` stands for all that begin so.
    pub types: Vec<String>,
    /// Only about this task.
    pub task: Option<TaskId>,
    /// At most so many.
    pub limit: u32,
}

impl EventFilter {
    /// Whether an event after the cursor fits.
    pub(crate) fn fits(&self, event: &StoredEvent) -> bool {
        let wanted = |wanted: &String| {
            event.kind == *wanted || (wanted.ends_with('.') && event.kind.starts_with(wanted.as_str()))
        };
        self.task.is_none_or(|task| event.task == Some(task))
            && (self.types.is_empty() || self.types.iter().any(wanted))
    }
}

/// An event as it is kept.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its place in the project's history.
    pub seq: EventSeq,
    /// When, by the server's clock.
    pub at: Timestamp,
    /// What happened: subject, dot, what happened to it.
    pub kind: String,
    /// Who did it; `None` for the operator and the server.
    pub agent: Option<AgentName>,
    /// The task it is about, if any.
    pub task: Option<TaskId>,
    /// The run it is about, if any.
    pub run: Option<RunId>,
    /// What belongs to it beyond that: a JSON object.
    pub data: Box<RawValue>,
}

impl StoredEvent {
    /// An event as it will be kept.
    pub(crate) fn of(event: &Event) -> Result<Self, StoreError> {
        Ok(Self {
            seq: event.seq,
            at: event.at,
            kind: event.kind.type_name().to_owned(),
            agent: event.agent.clone(),
            task: event.kind.task(),
            run: event.kind.run(),
            data: RawValue::from_string(data(&event.kind)?).map_err(StoreError::Unwritable)?,
        })
    }
}

pub(crate) fn append(connection: &Connection, event: &StoredEvent) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO events (seq, at_ms, type, agent, task, run, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            integer(event.seq.0),
            integer(event.at.as_millis()),
            &event.kind,
            event.agent.as_ref().map(AgentName::as_str),
            event.task.map(|task| integer(task.0)),
            event.run.map(runs::key),
            event.data.get(),
        ))?;
    Ok(())
}

/// The number of the last event, 0 if there is none.
pub(crate) fn last_seq(connection: &Connection) -> Result<u64, StoreError> {
    let last: i64 = connection.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))?;
    number("events.seq", last)
}

/// The number of the last event before this time, 0 if there is none. Events come in the order of their times, unless the
/// clock was set back.
pub(crate) fn last_before(connection: &Connection, time: Timestamp) -> Result<u64, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT at_ms FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
    let (mut before, mut after) = (0, last_seq(connection)? + 1);
    while before + 1 < after {
        let middle = before + (after - before) / 2;
        let at: i64 = statement.query_row([integer(middle)], |row| row.get(0))?;
        if at < integer(time.as_millis()) {
            before = middle;
        } else {
            after = middle;
        }
    }
    Ok(before)
}

/// Events in order.
pub(crate) fn list(connection: &Connection, filter: &EventFilter) -> Result<Vec<StoredEvent>, StoreError> {
    let about = if filter.task.is_some() { "task = ?2" } else { "?2 IS NULL" };
    let sql = format!(
        "SELECT seq, at_ms, type, agent, task, run, data FROM events
         WHERE seq > ?1 AND {about}
           AND (?3 = '[]' OR EXISTS (SELECT 1 FROM json_each(?3) AS wanted
                WHERE wanted.value = events.type
                   OR (wanted.value LIKE '%.' AND substr(events.type, 1, length(wanted.value)) = wanted.value)))
         ORDER BY seq LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((
        integer(filter.after),
        filter.task.map(|task| integer(task.0)),
        to_json(&filter.types)?,
        filter.limit,
    ))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(stored(row)?);
    }
    Ok(events)
}

fn stored(row: &Row<'_>) -> Result<StoredEvent, StoreError> {
    let agent: Option<String> = row.get(3)?;
    let task: Option<i64> = row.get(4)?;
    let run: Option<i64> = row.get(5)?;
    let data: String = row.get(6)?;
    Ok(StoredEvent {
        seq: EventSeq(number("events.seq", row.get(0)?)?),
        at: Timestamp::from_millis(number("events.at_ms", row.get(1)?)?),
        kind: row.get(2)?,
        agent: agent.map(|agent| parsed("events.agent", agent)).transpose()?,
        task: task.map(|task| number("events.task", task).map(TaskId)).transpose()?,
        run: run.map(runs::id).transpose()?,
        data: RawValue::from_string(data)
            .map_err(|error| StoreError::Impossible { column: "events.data", value: error.to_string() })?,
    })
}

/// What belongs to the event beyond its columns.
fn data(kind: &EventKind) -> Result<String, StoreError> {
    Ok(match kind {
        EventKind::AgentAdded { name, role, profile } => {
            json!({ "name": name.as_str(), "role": role.as_str(), "profile": profile.as_str() }).to_string()
        }
        EventKind::AgentRemoved { name } => json!({ "name": name.as_str() }).to_string(),
        EventKind::TokenMinted { name, expires_at } => {
            json!({ "name": name.as_str(), "expires_at_ms": expires_at.map(|at| at.as_millis()) }).to_string()
        }
        EventKind::RunBecameJob { run: _ } => "{}".to_owned(),
        EventKind::RunEnded { run: _, outcome } => json!({ "outcome": outcome.as_str() }).to_string(),
        EventKind::Task(about) => to_json(&about.event)?,
        EventKind::Queue(event) => to_json(event)?,
        EventKind::Lock(about) => to_json(about)?,
        EventKind::Talk(event) => to_json(event)?,
        EventKind::Crew(about) => to_json(about)?,
        EventKind::Commit(about) => to_json(about)?,
        EventKind::Policy(event) => to_json(event)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_before_a_time_is_found() {
        for times in [&[][..], &[5], &[5, 5, 5], &[1, 3, 3, 7, 9, 9, 12, 40]] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, at_ms INTEGER)", []).unwrap();
            for (seq, at) in (1_i64..).zip(times) {
                connection.execute("INSERT INTO events VALUES (?1, ?2)", [seq, *at]).unwrap();
            }
            for time in 0..50 {
                let expected = times.iter().filter(|at| **at < time).count() as u64;
                let time = Timestamp::from_millis(time.cast_unsigned());
                assert_eq!(last_before(&connection, time).unwrap(), expected, "{times:?} before {time:?}");
            }
        }
    }
}
