//! Agents at work.

use longhouse_core::{AgentName, Cooldown, CrewRow, CrewSeed, Standing, TaskId};
use rusqlite::Connection;

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
    let (standings, cooldowns) = (standings(connection)?, cooldowns(connection)?);
    Ok(CrewSeed { standings, usage, completed: completed(connection)?, cooldowns })
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

/// The last task that each agent completed, as far as the latest events tell. They are read from end to end, so those of
/// long ago are left alone.
fn completed(connection: &Connection) -> Result<Vec<(AgentName, TaskId)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT agent, task, max(seq) FROM events
         WHERE seq > (SELECT max(seq) - 100000 FROM events) AND type = 'task.completed' AND agent IS NOT NULL
         GROUP BY agent",
    )?;
    let mut rows = statement.query([])?;
    let mut completed = Vec::new();
    while let Some(row) = rows.next()? {
        completed.push((parsed("events.agent", row.get(0)?)?, TaskId(number("events.task", row.get(1)?)?)));
    }
    Ok(completed)
}
