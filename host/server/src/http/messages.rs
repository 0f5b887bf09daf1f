//! `/messages`, `/inbox` and `/channels`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longhouse_core::{
    AgentName, ChannelName, Extent, Importance, Message, MessageBody, MessageId, NewMessage, Recipient, Role,
    TalkCommand, TaskId, Timestamp, Which,
};
use longhouse_store::{End, MessageFilter, StoredMessage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{Change, InPath, Parameters, wait};
use super::task_form::NoForm;
use crate::app::messages::InboxRequest;
use crate::app::{App, messages};

/// Messages in one page.
const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// Messages in the classic file, the newest.
const CLASSIC: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendForm {
    to: ToForm,
    text: String,
    data: Option<Box<RawValue>>,
    /// The message that this is a reply to.
    thread: Option<MessageId>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InboxQuery {
    after: Option<MessageId>,
    #[serde(default)]
    unread_only: bool,
    limit: Option<u32>,
    wait_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    thread: Option<MessageId>,
    channel: Option<ChannelName>,
    from: Option<AgentName>,
    to: Option<AgentName>,
    after: Option<MessageId>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AckForm {
    /// It and everything before it.
    #[serde(default)]
    up_to: bool,
}

#[derive(Serialize)]
struct MessageJson<'a> {
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

/// `POST /messages`
pub(super) async fn send(
    caller: Caller,
    Change { form, keyed }: Change<SendForm>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let reply_to = form.thread;
    let new = form.validate()?;
    let sent = messages::send(&caller.project, caller.by(keyed), seen_by(&caller), reply_to, new).await?;
    Ok((StatusCode::CREATED, Json(json!(sent))))
}

/// `GET /inbox`
pub(super) async fn inbox(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    Parameters(query): Parameters<InboxQuery>,
) -> Result<Json<Value>, ApiError> {
    let InboxQuery { after, unread_only, limit, wait_ms } = query;
    let wait = wait(wait_ms, Duration::ZERO)?;
    let request = InboxRequest {
        after,
        which: if unread_only { Which::Unread } else { Which::All },
        limit: page(limit),
        until: (!wait.is_zero()).then(|| app.clock.now().plus(wait)),
    };
    let page = messages::inbox(&project, agent.name, request).await?;
    Ok(Json(json!({
        "messages": bodies(&page.messages)?, "next": page.next,
        "cursor": page.facts.cursor, "unread": page.facts.unread,
    })))
}

/// `POST /messages/{id}/ack`
pub(super) async fn ack(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<AckForm>,
) -> Result<Json<Value>, ApiError> {
    let extent = if form.up_to { Extent::UpTo } else { Extent::One };
    Ok(Json(json!(messages::ack(&caller.project, caller.by(keyed), id.parse()?, extent).await?)))
}

/// `GET /messages`
pub(super) async fn list(
    caller: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let ListQuery { thread, channel, from, to, after, limit } = query;
    let (limit, seen_by) = (page(limit), seen_by(&caller));
    let filter =
        MessageFilter { seen_by, thread, channel, from, to, after, limit, ..MessageFilter::default() };
    let page = messages::list(&caller.project, filter).await?;
    let is_full = u32::try_from(page.messages.len()).unwrap_or(u32::MAX) >= limit;
    let next = page.messages.last().filter(|_| is_full).map(|stored| stored.message.id);
    Ok(Json(json!({ "messages": bodies(&page.messages)?, "next": next, "as_of": page.as_of })))
}

/// `GET /messages/{id}`
pub(super) async fn find(caller: Caller, InPath(id): InPath) -> Result<Response, ApiError> {
    let stored = messages::find(&caller.project, seen_by(&caller), id.parse()?).await?;
    Ok(Json(MessageJson::of(&stored)?).into_response())
}

/// `GET /channels`
pub(super) async fn channels(Caller { project, .. }: Caller) -> Result<Json<Value>, ApiError> {
    let mut channels: BTreeMap<ChannelName, Vec<AgentName>> = BTreeMap::new();
    for (agent, channel) in messages::channels(&project).await? {
        channels.entry(channel).or_default().push(agent);
    }
    let channels: Vec<Value> =
        channels.iter().map(|(name, followers)| json!({ "name": name, "followers": followers })).collect();
    Ok(Json(json!({ "channels": channels })))
}

/// `PUT /channels/{name}`
pub(super) async fn follow(
    caller: Caller,
    InPath(name): InPath,
    Change { form: NoForm {}, keyed }: Change<NoForm>,
) -> Result<StatusCode, ApiError> {
    change_channel(caller, keyed, TalkCommand::Follow(name.parse()?)).await
}

/// `DELETE /channels/{name}`
pub(super) async fn unfollow(
    caller: Caller,
    InPath(name): InPath,
    Change { form: NoForm {}, keyed }: Change<NoForm>,
) -> Result<StatusCode, ApiError> {
    change_channel(caller, keyed, TalkCommand::Unfollow(name.parse()?)).await
}

/// `GET /classic/agent-comms.jsonl`
pub(super) async fn classic(caller: Caller) -> Result<Response, ApiError> {
    let filter = MessageFilter {
        seen_by: seen_by(&caller),
        limit: CLASSIC,
        end: End::Last,
        ..MessageFilter::default()
    };
    let page = messages::list(&caller.project, filter).await?;
    let line = |Message { from, at, new, .. }: &Message| {
        json!({ "timestamp": rfc3339(*at), "agent": from, "message": new.body.text() }).to_string() + "\n"
    };
    let lines: String = page.messages.iter().map(|stored| line(&stored.message)).collect();
    Ok(([("content-type", "application/x-ndjson")], lines).into_response())
}

/// A time as people write it.
pub(super) fn rfc3339(at: Timestamp) -> String {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at.as_millis());
    humantime::format_rfc3339_millis(at).to_string()
}

async fn change_channel(
    caller: Caller,
    keyed: Option<longhouse_core::Keyed>,
    command: TalkCommand,
) -> Result<StatusCode, ApiError> {
    messages::change_channel(&caller.project, caller.by(keyed), command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose messages the caller sees; `None` if everybody's.
fn seen_by(caller: &Caller) -> Option<AgentName> {
    (caller.agent.role < Role::Coordinator).then(|| caller.agent.name.clone())
}

fn page(limit: Option<u32>) -> u32 {
    limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE)
}

fn bodies(messages: &[StoredMessage]) -> Result<Vec<Value>, ApiError> {
    messages.iter().map(|stored| Ok(json!(MessageJson::of(stored)?))).collect()
}

impl SendForm {
    fn validate(self) -> Result<NewMessage, ApiError> {
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
    fn of(stored: &'a StoredMessage) -> Result<Self, ApiError> {
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
