//! Messages, inboxes and channels.

use longhouse_core::{
    AgentName, ChannelName, Importance, Message, MessageBody, MessageId, NewMessage, Recipient, Timestamp,
};
use rusqlite::{Connection, Row};

use super::{counters, from_json, integer, number, parsed, to_json};
use crate::StoreError;

/// Which messages to read.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only those that this agent sent or got.
    pub seen_by: Option<AgentName>,
    /// Only this one.
    pub id: Option<MessageId>,
    /// Only of this thread.
    pub thread: Option<MessageId>,
    /// Only those that name this channel.
    pub channel: Option<ChannelName>,
    /// Only from this agent.
    pub from: Option<AgentName>,
    /// Only to this agent.
    pub to: Option<AgentName>,
    /// Only those that it has not acknowledged.
    pub unread_by: Option<AgentName>,
    /// Only those sent after this one.
    pub after: Option<MessageId>,
    /// At most so many.
    pub limit: u32,
    /// Which of them, if there are more.
    pub end: End,
}

/// Which end of a list counts if it is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// The oldest.
    #[default]
    First,
    /// The newest.
    Last,
}

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// What was sent.
    pub message: Message,
    /// When each of its readers acknowledged it, in the order of [`Message::to`].
    pub acked_at: Vec<Option<Timestamp>>,
}

pub(crate) fn insert(connection: &Connection, message: &Message) -> Result<(), StoreError> {
    let Message { id, from, at, thread, new, to } = message;
    connection
        .prepare_cached(
            "INSERT INTO messages (id, sender, at_ms, thread, importance, ack, addressed, text, data)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            integer(id.0),
            from.as_str(),
            integer(at.as_millis()),
            integer(thread.0),
            new.importance.as_str(),
            new.ack,
            to_json(&new.to)?,
            new.body.text(),
            new.body.data(),
        ))?;
    let mut deliver = connection.prepare_cached("INSERT INTO deliveries (agent, message) VALUES (?1, ?2)")?;
    for agent in to {
        deliver.execute((agent.as_str(), integer(id.0)))?;
    }
    counters::set(connection, "message", id.0)
}

pub(crate) fn ack(
    connection: &Connection,
    agent: &AgentName,
    messages: &[MessageId],
    at: Timestamp,
) -> Result<(), StoreError> {
    let mut ack =
        connection.prepare_cached("UPDATE deliveries SET acked_at = ?3 WHERE agent = ?1 AND message = ?2")?;
    for message in messages {
        ack.execute((agent.as_str(), integer(message.0), integer(at.as_millis())))?;
    }
    Ok(())
}

/// Messages up to this one go, save those that somebody has still to acknowledge.
pub(crate) fn forget(connection: &Connection, through: MessageId) -> Result<(), StoreError> {
    drop_unless(
        connection,
        "id <= ?1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = messages.id AND acked_at IS NULL)",
        [integer(through.0)],
    )
}

pub(crate) fn remove_agent(connection: &Connection, agent: &AgentName) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM follows WHERE agent = ?1",
        "DELETE FROM deliveries WHERE agent = ?1",
        "UPDATE messages SET sender_gone = 1 WHERE sender = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([agent.as_str()])?;
    }
    drop_unless(
        connection,
        "sender_gone = 1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE message = messages.id)",
        [],
    )
}

/// Takes away the messages of which this is true.
fn drop_unless(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params + Copy,
) -> Result<(), StoreError> {
    let deliveries =
        format!("DELETE FROM deliveries WHERE message IN (SELECT id FROM messages WHERE {condition})");
    connection.prepare_cached(&deliveries)?.execute(parameters)?;
    connection.prepare_cached(&format!("DELETE FROM messages WHERE {condition}"))?.execute(parameters)?;
    Ok(())
}

pub(crate) fn follow(
    connection: &Connection,
    agent: &AgentName,
    channel: &ChannelName,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO follows (agent, channel) VALUES (?1, ?2)")?
        .execute((agent.as_str(), channel.as_str()))?;
    Ok(())
}

pub(crate) fn unfollow(
    connection: &Connection,
    agent: &AgentName,
    channel: &ChannelName,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM follows WHERE agent = ?1 AND channel = ?2")?
        .execute((agent.as_str(), channel.as_str()))?;
    Ok(())
}

/// Who follows what, by channel.
pub(crate) fn follows(connection: &Connection) -> Result<Vec<(AgentName, ChannelName)>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT agent, channel FROM follows ORDER BY channel, agent")?;
    let mut rows = statement.query([])?;
    let mut follows = Vec::new();
    while let Some(row) = rows.next()? {
        follows.push((parsed("follows.agent", row.get(0)?)?, parsed("follows.channel", row.get(1)?)?));
    }
    Ok(follows)
}

/// Of each inbox, the last message that came.
pub(crate) fn received(connection: &Connection) -> Result<Vec<(AgentName, MessageId)>, StoreError> {
    inboxes(connection, "SELECT agent, max(message) FROM deliveries GROUP BY agent")
}

/// What was not acknowledged.
pub(crate) fn unread(connection: &Connection) -> Result<Vec<(AgentName, MessageId)>, StoreError> {
    inboxes(connection, "SELECT agent, message FROM deliveries WHERE acked_at IS NULL")
}

fn inboxes(connection: &Connection, sql: &str) -> Result<Vec<(AgentName, MessageId)>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let agent = parsed("deliveries.agent", row.get(0)?)?;
        entries.push((agent, MessageId(number("deliveries.message", row.get(1)?)?)));
    }
    Ok(entries)
}

/// Messages in the order they were sent.
pub(crate) fn list(
    connection: &Connection,
    filter: &MessageFilter,
) -> Result<Vec<StoredMessage>, StoreError> {
    // What is not asked for is no condition: each has an index of its own to go by.
    let when = |asked: bool, condition: &str, place: u32| {
        if asked { condition.to_owned() } else { format!("?{place} IS NULL") }
    };
    let mine = "id IN (SELECT message FROM deliveries WHERE message > ?1 AND agent =";
    let named = "EXISTS (SELECT 1 FROM json_each(addressed) WHERE value = ?7)";
    let seen = "((sender = ?8 AND sender_gone = 0)
        OR EXISTS (SELECT 1 FROM deliveries WHERE message = messages.id AND agent = ?8))";
    let conditions = [
        "id > ?1".to_owned(),
        when(filter.to.is_some(), &format!("{mine} ?3)"), 3),
        when(filter.unread_by.is_some(), &format!("{mine} ?4 AND acked_at IS NULL)"), 4),
        when(filter.from.is_some(), "sender = ?5", 5),
        when(filter.thread.is_some(), "thread = ?6", 6),
        when(filter.channel.is_some(), named, 7),
        when(filter.seen_by.is_some(), seen, 8),
        when(filter.id.is_some(), "id = ?9", 9),
    ];
    let order = match filter.end {
        End::First => "ASC",
        End::Last => "DESC",
    };
    let sql = format!(
        "SELECT id, sender, at_ms, thread, importance, ack, addressed, text, data FROM messages
         WHERE {}
         ORDER BY id {order} LIMIT ?2",
        conditions.join(" AND ")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((
        filter.after.map_or(0, |id| integer(id.0)),
        filter.limit,
        filter.to.as_ref().map(AgentName::as_str),
        filter.unread_by.as_ref().map(AgentName::as_str),
        filter.from.as_ref().map(AgentName::as_str),
        filter.thread.map(|id| integer(id.0)),
        filter.channel.as_ref().map(|channel| format!("#{channel}")),
        filter.seen_by.as_ref().map(AgentName::as_str),
        filter.id.map(|id| integer(id.0)),
    ))?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        messages.push(stored(connection, row)?);
    }
    if filter.end == End::Last {
        messages.reverse();
    }
    Ok(messages)
}

fn stored(connection: &Connection, row: &Row<'_>) -> Result<StoredMessage, StoreError> {
    let id = MessageId(number("messages.id", row.get(0)?)?);
    let named: Vec<Recipient> = from_json("messages.addressed", row.get(6)?)?;
    let importance: Importance = parsed("messages.importance", row.get(4)?)?;
    let (text, data): (String, Option<String>) = (row.get(7)?, row.get(8)?);
    let body = MessageBody::new(&text, data.as_deref())
        .map_err(|error| StoreError::Impossible { column: "messages.text", value: error.to_string() })?;
    let (to, acked_at) = readers(connection, id)?;
    let message = Message {
        id,
        from: parsed("messages.sender", row.get(1)?)?,
        at: Timestamp::from_millis(number("messages.at_ms", row.get(2)?)?),
        thread: MessageId(number("messages.thread", row.get(3)?)?),
        new: NewMessage { to: named, thread: None, importance, ack: row.get(5)?, body },
        to,
    };
    Ok(StoredMessage { message, acked_at })
}

/// Who has a message, and when each acknowledged it.
fn readers(
    connection: &Connection,
    id: MessageId,
) -> Result<(Vec<AgentName>, Vec<Option<Timestamp>>), StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT agent, acked_at FROM deliveries WHERE message = ?1 ORDER BY agent")?;
    let mut rows = statement.query([integer(id.0)])?;
    let (mut to, mut acked) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        to.push(parsed("deliveries.agent", row.get(0)?)?);
        let at: Option<i64> = row.get(1)?;
        let at = at.map(|at| number("deliveries.acked_at", at)).transpose()?;
        acked.push(at.map(Timestamp::from_millis));
    }
    Ok((to, acked))
}
