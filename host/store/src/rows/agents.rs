//! Agents.

use longhouse_core::{Agent, AgentName};
use rusqlite::Connection;

use super::{from_json, parsed, to_json};
use crate::StoreError;

pub(crate) fn put(connection: &Connection, agent: &Agent) -> Result<(), StoreError> {
    let capabilities = to_json(&agent.capabilities)?;
    connection
        .prepare_cached(
            "INSERT INTO agents (name, role, profile, capabilities) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET role = ?2, profile = ?3, capabilities = ?4",
        )?
        .execute((agent.name.as_str(), agent.role.as_str(), agent.profile.as_str(), capabilities))?;
    Ok(())
}

pub(crate) fn delete(connection: &Connection, name: &AgentName) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM agents WHERE name = ?1")?.execute([name.as_str()])?;
    Ok(())
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<Agent>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT name, role, profile, capabilities FROM agents")?;
    let mut rows = statement.query([])?;
    let mut agents = Vec::new();
    while let Some(row) = rows.next()? {
        agents.push(Agent {
            name: parsed("agents.name", row.get(0)?)?,
            role: parsed("agents.role", row.get(1)?)?,
            profile: parsed("agents.profile", row.get(2)?)?,
            capabilities: from_json("agents.capabilities", row.get(3)?)?,
        });
    }
    Ok(agents)
}
