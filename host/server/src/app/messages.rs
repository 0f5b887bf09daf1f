//! Messages between agents.

use std::sync::Arc;

use longhouse_core::{
    Acked, AgentName, Caller, ChannelName, Command, EventSeq, Extent, MailFacts, MessageId, NewMessage,
    Reply, Sent, TalkCommand, TalkRefusal, TalkReply, Timestamp, Which,
};
use longhouse_store::{MessageFilter, StoredMessage};

use super::{AppError, By, Project};

/// Some messages, in the order they were sent.
#[derive(Debug)]
pub struct MessagePage {
    /// Those that fit.
    pub messages: Vec<StoredMessage>,
    /// Whatever happened later is an event after this one.
    pub as_of: EventSeq,
}

/// What of an inbox is asked for.
#[derive(Debug, Clone, Copy)]
pub struct InboxRequest {
    /// The last message that was read; the inbox's own cursor if none is named.
    pub after: Option<MessageId>,
    /// Which count.
    pub which: Which,
    /// At most so many.
    pub limit: u32,
    /// How long to wait for one.
    pub until: Option<Timestamp>,
}

/// Some of an inbox.
#[derive(Debug)]
pub struct InboxPage {
    /// In the order they came.
    pub messages: Vec<StoredMessage>,
    /// The cursor to go on from: nothing that fits lies between the last of them and it.
    pub next: MessageId,
    /// How the inbox stands.
    pub facts: MailFacts,
    /// Whatever happened later is an event after this one.
    pub as_of: EventSeq,
}

/// Sends a message to all it names, or to nobody. `reply_to` is a message that the caller may see: its thread goes on.
///
/// # Errors
/// A refusal, or the database's failure.
pub async fn send(
    project: &Arc<Project>,
    by: By,
    seen_by: Option<AgentName>,
    reply_to: Option<MessageId>,
    new: NewMessage,
) -> Result<Sent, AppError> {
    let thread = match reply_to {
        Some(id) => Some(find(project, seen_by, id).await?.message.thread),
        None => None,
    };
    let command = TalkCommand::Send(Box::new(NewMessage { thread, ..new }));
    let Reply::Talk(TalkReply::Sent(sent)) = project.ask_by(by, Command::Talk(command)).await? else {
        return Err(AppError::Confused);
    };
    Ok(sent)
}

/// Acknowledges the caller's mail.
///
/// # Errors
/// When no such message was ever sent.
pub async fn ack(project: &Project, by: By, message: MessageId, extent: Extent) -> Result<Acked, AppError> {
    let command = Command::Talk(TalkCommand::Ack(message, extent));
    let Reply::Talk(TalkReply::Acked(acked)) = project.ask_by(by, command).await? else {
        return Err(AppError::Confused);
    };
    Ok(acked)
}

/// The caller's mail; waits for some if that is asked for. Acknowledges nothing.
///
/// # Errors
/// When the cursor lies beyond the last message, or the database fails.
pub async fn inbox(
    project: &Arc<Project>,
    agent: AgentName,
    request: InboxRequest,
) -> Result<InboxPage, AppError> {
    let InboxRequest { after, which, limit, until } = request;
    let command = Command::Talk(TalkCommand::Inbox { after, which, until });
    let reply = project.ask(Caller::Agent(agent.clone()), command).await?;
    let Reply::Talk(TalkReply::Mail(facts)) = reply else { return Err(AppError::Confused) };
    let as_of = *project.coordinator.last_event().borrow();
    let filter = MessageFilter { after: Some(facts.after), limit, ..MessageFilter::default() };
    let filter = match which {
        Which::All => MessageFilter { to: Some(agent), ..filter },
        Which::Unread => MessageFilter { unread_by: Some(agent), ..filter },
    };
    let messages = project.read(move |reads| reads.messages(&filter)).await?;
    let is_full = u32::try_from(messages.len()).unwrap_or(u32::MAX) >= limit;
    let seen = messages.last().map_or(facts.after, |stored| stored.message.id);
    let next = if is_full { seen } else { seen.max(facts.last) };
    Ok(InboxPage { messages, next, facts, as_of })
}

/// One message that the caller may see.
///
/// # Errors
/// When there is none, or the database fails.
pub async fn find(
    project: &Arc<Project>,
    seen_by: Option<AgentName>,
    id: MessageId,
) -> Result<StoredMessage, AppError> {
    let filter = MessageFilter { seen_by, id: Some(id), limit: 1, ..MessageFilter::default() };
    let found = project.read(move |reads| reads.messages(&filter)).await?;
    found.into_iter().next().ok_or_else(|| AppError::Refused(TalkRefusal::NoSuchMessage(id).into()))
}

/// Messages that fit.
///
/// # Errors
/// When the database fails.
pub async fn list(project: &Arc<Project>, filter: MessageFilter) -> Result<MessagePage, AppError> {
    let as_of = *project.coordinator.last_event().borrow();
    let messages = project.read(move |reads| reads.messages(&filter)).await?;
    Ok(MessagePage { messages, as_of })
}

/// Follows a channel, or leaves it.
///
/// # Errors
/// When too many are followed.
pub async fn change_channel(project: &Project, by: By, command: TalkCommand) -> Result<(), AppError> {
    project.ask_by(by, Command::Talk(command)).await.map(drop)
}

/// Who follows what, by channel.
///
/// # Errors
/// When the database fails.
pub async fn channels(project: &Arc<Project>) -> Result<Vec<(AgentName, ChannelName)>, AppError> {
    project.read(|reads| reads.follows()).await
}
