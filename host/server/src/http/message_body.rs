//! Messages as JSON, in and out. What comes in is checked here, and nowhere after.

use longhouse_core::{
    AgentName, Importance, MessageBody, MessageId, NewMessage, Recipient, TaskId, Timestamp,
};
use longhouse_store::StoredMessage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ApiError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendForm {
    to: ToForm,
    text: String,
    data: Option<Box<RawValue>>,
    /// The message that this is a reply to.
    pub(super) thread: Option<MessageId>,
    #[serde(default)]
    importance: Importance,
    #[serde(default)]
    ack: bool,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a recipient, or a list of them")]
enum ToForm {
    One(RecipientForm),
    Several(Vec<RecipientForm>),
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a recipient: an agent's name, \"#channel\", \"@everyone\", {\"role\": …}, {\"task\": …} or {\"channel\": …}"
)]
enum RecipientForm {
    Text(String),
    Named(NamedForm),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum NamedForm {
    Agent(AgentName),
    Role(String),
    Task(TaskId),
    Channel(String),
}

#[derive(Serialize)]
pub(super) struct MessageJson<'a> {
    id: MessageId,
    from: &'a AgentName,
    at_ms: Timestamp,
    thread: MessageId,
    importance: Importance,
    ack: bool,
    addressed: &'a [Recipient],
    to: Vec<ReaderJson<'a>>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct ReaderJson<'a> {
    agent: &'a AgentName,
    acked_at_ms: Option<Timestamp>,
}

impl SendForm {
    pub(super) fn validate(self) -> Result<NewMessage, ApiError> {
        let to = match self.to {
            ToForm::One(one) => vec![one],
            ToForm::Several(several) => several,
        };
        let to = to.into_iter().map(RecipientForm::validate).collect::<Result<_, ApiError>>()?;
        let data = self.data.as_ref().map(|data| data.get());
        let body = MessageBody::new(&self.text, data).map_err(|invalid| ApiError::from_message(&invalid))?;
        Ok(NewMessage { to, thread: None, importance: self.importance, ack: self.ack, body })
    }
}

impl RecipientForm {
    fn validate(self) -> Result<Recipient, ApiError> {
        let recipient = match self {
            Self::Text(text) => text.parse(),
            Self::Named(NamedForm::Agent(name)) => Ok(Recipient::Agent(name)),
            Self::Named(NamedForm::Role(role)) => role.parse().map(Recipient::Role),
            Self::Named(NamedForm::Task(task)) => Ok(Recipient::Holder(task)),
            Self::Named(NamedForm::Channel(name)) => {
                name.strip_prefix('#').unwrap_or(&name).parse().map(Recipient::Channel)
            }
        };
        recipient.map_err(|invalid| ApiError::invalid("to", invalid))
    }
}

impl<'a> MessageJson<'a> {
    pub(super) fn of(stored: &'a StoredMessage) -> Result<Self, ApiError> {
        let StoredMessage { message, acked_at } = stored;
        let data = message.new.body.data().map(|data| RawValue::from_string(data.to_owned()));
        let readers = message.to.iter().zip(acked_at);
        Ok(Self {
            id: message.id,
            from: &message.from,
            at_ms: message.at,
            thread: message.thread,
            importance: message.new.importance,
            ack: message.new.ack,
            addressed: &message.new.to,
            to: readers.map(|(agent, at)| ReaderJson { agent, acked_at_ms: *at }).collect(),
            text: message.new.body.text(),
            data: data.transpose().map_err(|error| ApiError::internal(&error))?,
        })
    }
}
