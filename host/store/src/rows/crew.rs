//! Agents at work.

use std::collections::BTreeMap;

use longhouse_core::{AgentName, Cooldown, CrewRow, CrewSeed, Standing, TaskId};
use rusqlite::{Connection, OptionalExtension as _};

use super::{from_json, number, parsed, settings, to_json};
use crate::StoreError;

pub(crate) fn apply(connection: &Connection, row: &CrewRow) -> Result<(), StoreError> {
    match row {
        CrewRow::Put(agent, standing) => put(connection, agent, standing),
        CrewRow::Delete(agent) => delete(connection, agent),
        CrewRow::SetUsage(usage) => settings::set_usage(connection, usage),
        CrewRow::PutCooldown(cooldown) => put_cooldown(connection, cooldown),
        CrewRow::DeleteCooldown(provider) => delete_cooldown(connection, provider.as_str()),
    }
}

fn put(connection: &Connection, agent: &AgentName, standing: &Standing) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO standings (agent, standing) VALUES (?1, ?2)")?
        .execute((agent.as_str(), to_json(standing)?))?;
    Ok(())
}

fn delete(connection: &Connection, agent: &AgentName) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM standings WHERE agent = ?1")?.execute([agent.as_str()])?;
    Ok(())
}

fn put_cooldown(connection: &Connection, cooldown: &Cooldown) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO cooldowns (provider, cooldown) VALUES (?1, ?2)")?
        .execute((cooldown.provider.as_str(), to_json(cooldown)?))?;
    Ok(())
}

fn delete_cooldown(connection: &Connection, provider: &str) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM cooldowns WHERE provider = ?1")?.execute([provider])?;
    Ok(())
}

pub(crate) fn seed(connection: &Connection) -> Result<CrewSeed, StoreError> {
    let usage = settings::usage(connection)?;
    Ok(CrewSeed { standings: standings(connection)?, usage, cooldowns: cooldowns(connection)? })
}

fn standings(connection: &Connection) -> Result<Vec<(AgentName, Standing)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT agent, standing FROM standings")?;
    let mut rows = statement.query([])?;
    let mut standings = Vec::new();
    while let Some(row) = rows.next()? {
        let agent = parsed("standings.agent", row.get(0)?)?;
        standings.push((agent, from_json("standings.standing", row.get(1)?)?));
    }
    Ok(standings)
}

fn cooldowns(connection: &Connection) -> Result<Vec<Cooldown>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT cooldown FROM cooldowns")?;
    let mut rows = statement.query([])?;
    let mut cooldowns = Vec::new();
    while let Some(row) = rows.next()? {
        cooldowns.push(from_json("cooldowns.cooldown", row.get(0)?)?);
    }
    Ok(cooldowns)
}

/// The last task that each of these agents completed, if it completed any.
pub(crate) fn last_completed(
    connection: &Connection,
    agents: &[AgentName],
) -> Result<BTreeMap<AgentName, TaskId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT task FROM events WHERE type = 'task.completed' AND agent = ?1 ORDER BY seq DESC LIMIT 1",
    )?;
    let mut last = BTreeMap::new();
    for agent in agents {
        let task: Option<i64> = statement.query_row([agent.as_str()], |row| row.get(0)).optional()?;
        if let Some(task) = task {
            last.insert(agent.clone(), TaskId(number("events.task", task)?));
        }
    }
    Ok(last)
}
