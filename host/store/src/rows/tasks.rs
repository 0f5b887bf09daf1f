//! Tasks, their texts and their notes.

use std::collections::BTreeMap;
use std::sync::Arc;

use longhouse_core::{
    AgentName, Key, Label, Note, Placing, Stands, StoredTask, Task, TaskBody, TaskId, TaskRow, TaskSpec,
    TaskState, TaskStatus, Timestamp,
};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{from_json, integer, number, parsed, to_json};
use crate::StoreError;

/// Which tasks to list.
#[derive(Debug, Clone, Default)]
pub struct TaskFilter {
    /// Only those that stand there.
    pub status: Option<TaskStatus>,
    /// Only those that this agent holds.
    pub holder: Option<AgentName>,
    /// Only those that only this agent may claim.
    pub assigned_to: Option<AgentName>,
    /// Only those with this label.
    pub label: Option<Label>,
    /// Only parts of this one.
    pub parent: Option<TaskId>,
    /// Only those made after this one.
    pub after: Option<TaskId>,
    /// At most so many.
    pub limit: u32,
}

/// Everything that is kept of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRecord {
    /// What is asked for, and where it stands.
    pub stored: StoredTask,
    /// What was left with it, the oldest first.
    pub notes: Vec<Note>,
}

const SELECT: &str = "SELECT tasks.id, creator, created_at, state, spec, title, description
    FROM tasks JOIN task_texts ON task_texts.task = tasks.id";

pub(crate) fn apply(connection: &Connection, row: &TaskRow) -> Result<(), StoreError> {
    match row {
        TaskRow::Insert(stored) => insert(connection, stored),
        TaskRow::SetState(id, state) => set_state(connection, *id, state),
        TaskRow::SetSpec(id, spec) => set_spec(connection, *id, spec),
        TaskRow::SetBody(id, body) => set_body(connection, *id, body),
        TaskRow::AddNote(id, note) => add_note(connection, *id, note),
    }
}

fn insert(connection: &Connection, stored: &StoredTask) -> Result<(), StoreError> {
    let StoredTask { task, body } = stored;
    connection
        .prepare_cached(
            "INSERT INTO tasks (id, key, creator, created_at, status, holder, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            integer(task.id.0),
            task.spec.key.as_ref().map(Key::as_str),
            task.creator.as_ref().map(AgentName::as_str),
            integer(task.created_at.as_millis()),
            task.state.status.as_str(),
            holder(&task.state),
            to_json(&task.state)?,
        ))?;
    connection
        .prepare_cached("INSERT INTO task_texts (task, spec, title, description) VALUES (?1, ?2, ?3, ?4)")?
        .execute((integer(task.id.0), to_json(&task.spec)?, &*body.title, &*body.description))?;
    Ok(())
}

fn set_state(connection: &Connection, id: TaskId, state: &TaskState) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE tasks SET status = ?2, holder = ?3, state = ?4 WHERE id = ?1")?
        .execute((integer(id.0), state.status.as_str(), holder(state), to_json(state)?))?;
    Ok(())
}

fn holder(state: &TaskState) -> Option<&str> {
    state.lease.as_ref().map(|lease| lease.holder.as_str())
}

fn set_spec(connection: &Connection, id: TaskId, spec: &TaskSpec) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE task_texts SET spec = ?2 WHERE task = ?1")?
        .execute((integer(id.0), to_json(spec)?))?;
    Ok(())
}

fn set_body(connection: &Connection, id: TaskId, body: &TaskBody) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE task_texts SET title = ?2, description = ?3 WHERE task = ?1")?
        .execute((integer(id.0), &*body.title, &*body.description))?;
    Ok(())
}

fn add_note(connection: &Connection, id: TaskId, note: &Note) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO task_notes (task, kind, agent, at_ms, text) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            integer(id.0),
            note.kind.as_str(),
            note.agent.as_ref().map(AgentName::as_str),
            integer(note.at.as_millis()),
            &*note.text,
        ))?;
    Ok(())
}

/// Every task that has not ended.
pub(crate) fn live(connection: &Connection) -> Result<Vec<Task>, StoreError> {
    let live: Vec<String> = TaskStatus::ALL
        .into_iter()
        .filter(|status| !status.is_terminal())
        .map(|status| format!("'{status}'"))
        .collect();
    let sql = format!("{SELECT} WHERE status IN ({})", live.join(", "));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut tasks = Vec::new();
    while let Some(row) = rows.next()? {
        tasks.push(stored(row)?.task);
    }
    Ok(tasks)
}

/// Every task that has not ended or was claimed after this event, the oldest first, without what is read of it.
pub(crate) fn of_history(connection: &Connection, after: u64) -> Result<Vec<Task>, StoreError> {
    let ended: Vec<String> = TaskStatus::ALL
        .into_iter()
        .filter(|status| status.is_terminal())
        .map(|status| format!("'{status}'"))
        .collect();
    let sql = format!(
        "SELECT tasks.id, creator, created_at, state, spec, '', ''
         FROM tasks JOIN task_texts ON task_texts.task = tasks.id
         WHERE status NOT IN ({})
            OR tasks.id IN (SELECT task FROM events WHERE seq > ?1 AND type = 'task.claimed')
         ORDER BY tasks.id",
        ended.join(", ")
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([integer(after)])?;
    let mut tasks = Vec::new();
    while let Some(row) = rows.next()? {
        tasks.push(stored(row)?.task);
    }
    Ok(tasks)
}

/// How many stand where.
pub(crate) fn counts(connection: &Connection) -> Result<BTreeMap<TaskStatus, u64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT status, count(*) FROM tasks GROUP BY status")?;
    let mut rows = statement.query([])?;
    let mut counts = BTreeMap::new();
    while let Some(row) = rows.next()? {
        counts.insert(parsed("tasks.status", row.get(0)?)?, number("tasks.count", row.get(1)?)?);
    }
    Ok(counts)
}

/// How the others ended.
pub(crate) fn ended(connection: &Connection) -> Result<Vec<Stands>, StoreError> {
    let mut ended = Vec::new();
    for status in TaskStatus::ALL.into_iter().filter(|status| status.is_terminal()) {
        let mut statement = connection.prepare_cached("SELECT id FROM tasks WHERE status = ?1")?;
        let mut rows = statement.query([status.as_str()])?;
        while let Some(row) = rows.next()? {
            ended.push(Stands { id: TaskId(number("tasks.id", row.get(0)?)?), status });
        }
    }
    Ok(ended)
}

/// The keys of all tasks that have one.
pub(crate) fn keys(connection: &Connection) -> Result<Vec<(Key, TaskId)>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT key, id FROM tasks WHERE key IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push((parsed("tasks.key", row.get(0)?)?, TaskId(number("tasks.id", row.get(1)?)?)));
    }
    Ok(keys)
}

pub(crate) fn find(connection: &Connection, id: TaskId) -> Result<Option<TaskRecord>, StoreError> {
    let sql = format!("{SELECT} WHERE tasks.id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let Some(stored) = statement.query_row([integer(id.0)], |row| Ok(stored(row))).optional()?.transpose()?
    else {
        return Ok(None);
    };
    Ok(Some(TaskRecord { stored, notes: notes(connection, id)? }))
}

/// Tasks in the order they were made.
pub(crate) fn list(connection: &Connection, filter: &TaskFilter) -> Result<Vec<StoredTask>, StoreError> {
    let by_status = if filter.status.is_some() { "status = ?1" } else { "?1 IS NULL" };
    let sql = format!(
        "{SELECT} WHERE {by_status} AND tasks.id > ?2
           AND (?3 IS NULL OR holder = ?3)
           AND (?4 IS NULL OR spec ->> '$.assigned_to' = ?4)
           AND (?5 IS NULL OR EXISTS (SELECT 1 FROM json_each(spec, '$.labels') WHERE json_each.value = ?5))
           AND (?6 IS NULL OR spec ->> '$.parent' = ?6)
         ORDER BY tasks.id LIMIT ?7"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((
        filter.status.map(TaskStatus::as_str),
        filter.after.map_or(0, |id| integer(id.0)),
        filter.holder.as_ref().map(AgentName::as_str),
        filter.assigned_to.as_ref().map(AgentName::as_str),
        filter.label.as_ref().map(Label::as_str),
        filter.parent.map(|id| id.to_string()),
        filter.limit,
    ))?;
    let mut tasks = Vec::new();
    while let Some(row) = rows.next()? {
        tasks.push(stored(row)?);
    }
    Ok(tasks)
}

fn notes(connection: &Connection, id: TaskId) -> Result<Vec<Note>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT kind, agent, at_ms, text FROM task_notes WHERE task = ?1 ORDER BY id")?;
    let mut rows = statement.query([integer(id.0)])?;
    let mut notes = Vec::new();
    while let Some(row) = rows.next()? {
        let agent: Option<String> = row.get(1)?;
        notes.push(Note {
            kind: parsed("task_notes.kind", row.get(0)?)?,
            agent: agent.map(|agent| parsed("task_notes.agent", agent)).transpose()?,
            at: Timestamp::from_millis(number("task_notes.at_ms", row.get(2)?)?),
            text: row.get::<_, String>(3)?.into(),
        });
    }
    Ok(notes)
}

fn stored(row: &Row<'_>) -> Result<StoredTask, StoreError> {
    let creator: Option<String> = row.get(1)?;
    let task = Task {
        id: TaskId(number("tasks.id", row.get(0)?)?),
        spec: Arc::new(from_json("task_texts.spec", row.get(4)?)?),
        creator: creator.map(|creator| parsed("tasks.creator", creator)).transpose()?,
        created_at: Timestamp::from_millis(number("tasks.created_at", row.get(2)?)?),
        placing: Placing::default(),
        state: from_json("tasks.state", row.get(3)?)?,
    };
    let (title, description) = (row.get::<_, String>(5)?, row.get::<_, String>(6)?);
    Ok(StoredTask { task, body: TaskBody { title: title.into(), description: description.into() } })
}
