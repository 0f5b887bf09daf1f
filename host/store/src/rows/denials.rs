//! What was refused for want of a right.

use longhouse_core::{Act, AgentName, Denial, Denied, RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{from_json, integer, number, parsed, runs, to_json};
use crate::StoreError;

/// Which refusals to list.
#[derive(Debug, Clone, Default)]
pub struct DenialFilter {
    /// Only this agent's.
    pub agent: Option<AgentName>,
    /// Only those of this run.
    pub run: Option<RunId>,
    /// Only those of this.
    pub act: Option<Act>,
    /// Only rows before this one.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u32,
}

/// Refusals of one kind as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDenial {
    /// Its place, in the order in which each began.
    pub id: u64,
    /// Of which kind, how many, and of what.
    pub denied: Denied,
    /// When the first was, and the last, to the second.
    pub between: (Timestamp, Timestamp),
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

const RECORD: &str = "SELECT id, agent, run, act, rule, count, named, first_ms, last_ms FROM denials";

/// Adds to what is kept of this kind, or begins with it.
pub(crate) fn add(connection: &Connection, denied: &Denied, now: Timestamp) -> Result<(), StoreError> {
    let Denied { denial: Denial { agent, run, act, rule }, count, named } = denied;
    let day = integer(now.as_millis() / DAY_MS);
    let run = run.map(runs::key);
    let mut statement = connection.prepare_cached(&format!(
        "{RECORD} WHERE agent = ?1 AND ifnull(run, -1) = ifnull(?2, -1) AND act = ?3 AND rule = ?4 AND day = ?5"
    ))?;
    let kept = statement.query_row((agent.as_str(), run, act.as_str(), rule, day), |row| Ok(stored(row)));
    if let Some(StoredDenial { id, denied: mut kept, .. }) = kept.optional()?.transpose()? {
        kept.add(*count, named.iter().cloned());
        connection
            .prepare_cached("UPDATE denials SET count = ?2, named = ?3, last_ms = ?4 WHERE id = ?1")?
            .execute((integer(id), integer(kept.count), to_json(&kept.named)?, integer(now.as_millis())))?;
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO denials (agent, run, act, rule, day, count, named, first_ms, last_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        )?
        .execute((
            agent.as_str(),
            run,
            act.as_str(),
            rule,
            day,
            integer(*count),
            to_json(named)?,
            integer(now.as_millis()),
        ))?;
    Ok(())
}

/// Refusals that fit, those that began last first.
pub(crate) fn list(connection: &Connection, filter: &DenialFilter) -> Result<Vec<StoredDenial>, StoreError> {
    // Each as a text of its own, so that each has its index.
    let agent = if filter.agent.is_some() { "agent = ?1" } else { "?1 IS NULL" };
    let run = if filter.run.is_some() { "run = ?2" } else { "?2 IS NULL" };
    let mut statement = connection.prepare_cached(&format!(
        "{RECORD} WHERE {agent} AND {run} AND (?3 IS NULL OR act = ?3) AND id < ?4 ORDER BY id DESC LIMIT ?5"
    ))?;
    let mut rows = statement.query((
        filter.agent.as_ref().map(AgentName::as_str),
        filter.run.map(runs::key),
        filter.act.map(Act::as_str),
        filter.before.map_or(i64::MAX, integer),
        filter.limit,
    ))?;
    let mut denials = Vec::new();
    while let Some(row) = rows.next()? {
        denials.push(stored(row)?);
    }
    Ok(denials)
}

fn stored(row: &Row<'_>) -> Result<StoredDenial, StoreError> {
    let run: Option<i64> = row.get(2)?;
    let denial = Denial {
        agent: parsed("denials.agent", row.get(1)?)?,
        run: run.map(runs::id).transpose()?,
        act: parsed("denials.act", row.get(3)?)?,
        rule: row.get(4)?,
    };
    let count = number("denials.count", row.get(5)?)?;
    let named = from_json("denials.named", row.get(6)?)?;
    let at = |column| Ok::<_, StoreError>(Timestamp::from_millis(number("denials.ms", row.get(column)?)?));
    Ok(StoredDenial {
        id: number("denials.id", row.get(0)?)?,
        denied: Denied { denial, count, named },
        between: (at(7)?, at(8)?),
    })
}
