//! Rules that are set as a whole.

use longhouse_core::{Policies, ProjectProgress, QueueRules, Usage};
use rusqlite::{Connection, OptionalExtension as _};

use super::{from_json, to_json};
use crate::StoreError;

pub(crate) fn set_queue_rules(connection: &Connection, rules: &QueueRules) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO settings (name, value) VALUES ('queue', ?1)")?
        .execute([to_json(rules)?])?;
    Ok(())
}

pub(crate) fn queue_rules(connection: &Connection) -> Result<QueueRules, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM settings WHERE name = 'queue'")?;
    let rules: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    rules.map_or(Ok(QueueRules::default()), |rules| from_json("settings.value", rules))
}

pub(crate) fn set_policies(connection: &Connection, policies: &Policies) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO settings (name, value) VALUES ('policies', ?1)")?
        .execute([to_json(policies)?])?;
    Ok(())
}

pub(crate) fn policies(connection: &Connection) -> Result<Policies, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM settings WHERE name = 'policies'")?;
    let policies: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    policies.map_or(Ok(Policies::default()), |policies| from_json("settings.value", policies))
}

pub(crate) fn set_progress(connection: &Connection, progress: &ProjectProgress) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO settings (name, value) VALUES ('progress', ?1)")?
        .execute([to_json(progress)?])?;
    Ok(())
}

/// How far the project is, if somebody said so.
pub(crate) fn progress(connection: &Connection) -> Result<Option<ProjectProgress>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM settings WHERE name = 'progress'")?;
    let progress: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    progress.map(|progress| from_json("settings.value", progress)).transpose()
}

pub(crate) fn set_usage(connection: &Connection, usage: &Usage) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO settings (name, value) VALUES ('usage', ?1)")?
        .execute([to_json(usage)?])?;
    Ok(())
}

/// What everybody used together.
pub(crate) fn usage(connection: &Connection) -> Result<Usage, StoreError> {
    let mut statement = connection.prepare_cached("SELECT value FROM settings WHERE name = 'usage'")?;
    let usage: Option<String> = statement.query_row([], |row| row.get(0)).optional()?;
    usage.map_or(Ok(Usage::NOTHING), |usage| from_json("settings.value", usage))
}
