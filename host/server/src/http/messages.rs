//! `/messages`, `/inbox` and `/channels`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longhouse_core::{
    AgentName, ChannelName, Extent, Message, MessageId, Role, TalkCommand, Timestamp, Which,
};
use longhouse_store::{End, MessageFilter, StoredMessage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{Change, InPath, Parameters, wait};
use super::message_body::{MessageJson, SendForm};
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
        "cursor": page.facts.cursor, "unread": page.facts.unread, "as_of": page.as_of,
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
