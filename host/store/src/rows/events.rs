//! The history of what happened.

use longhouse_core::{Event, EventKind};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{integer, number, runs};
use crate::StoreError;

pub(crate) fn append(connection: &Connection, event: &Event) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO events (seq, at_ms, type, agent, run, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            integer(event.seq.0),
            integer(event.at.as_millis()),
            event.kind.type_name(),
            event.agent.as_ref().map(|agent| agent.as_str()),
            event.kind.run().map(runs::key),
            data(&event.kind).to_string(),
        ))?;
    Ok(())
}

/// The number of the last event, 0 if there is none.
pub(crate) fn last_seq(connection: &Connection) -> Result<u64, StoreError> {
    let last: i64 = connection.query_row("SELECT coalesce(max(seq), 0) FROM events", [], |row| row.get(0))?;
    number("events.seq", last)
}

/// What belongs to the event beyond its columns.
fn data(kind: &EventKind) -> Value {
    match kind {
        EventKind::AgentAdded { name, role, profile } => {
            json!({ "name": name.as_str(), "role": role.as_str(), "profile": profile.as_str() })
        }
        EventKind::AgentRemoved { name } => json!({ "name": name.as_str() }),
        EventKind::TokenMinted { name, expires_at } => {
            json!({ "name": name.as_str(), "expires_at_ms": expires_at.map(|at| at.as_millis()) })
        }
        EventKind::RunBecameJob { run: _ } => json!({}),
        EventKind::RunEnded { run: _, outcome } => json!({ "outcome": outcome.as_str() }),
    }
}
