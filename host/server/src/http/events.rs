//! `/events`

use std::time::Duration;

use axum::Json;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use longhouse_core::{AgentName, EventSeq, RunId, TaskId, Timestamp};
use longhouse_store::{EventFilter, StoredEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ApiError;
use super::auth::Caller;
use super::extract::{Parameters, wait};
use crate::app::events;

/// Events in one page.
const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

/// How often a silent stream says that it is alive: proxies cut what is silent for longer than about a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    after: Option<u64>,
    types: Option<String>,
    task: Option<TaskId>,
    limit: Option<u32>,
    wait_ms: Option<u64>,
}

#[derive(Serialize)]
struct EventJson<'a> {
    seq: EventSeq,
    at_ms: Timestamp,
    #[serde(rename = "type")]
    kind: &'a str,
    agent: Option<&'a AgentName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<RunId>,
    data: &'a RawValue,
}

#[derive(Serialize)]
struct PageJson<'a> {
    events: Vec<EventJson<'a>>,
    next: u64,
}

/// An event as the API writes it.
pub fn event_text(event: &StoredEvent) -> String {
    // Its data is JSON already, and the rest has no maps: this cannot fail.
    serde_json::to_string(&EventJson::of(event)).unwrap_or_default()
}

/// `GET /events`: a page, or with `Accept: text/event-stream` all there are and will be.
pub(super) async fn read(
    Caller { project, agent, .. }: Caller,
    headers: HeaderMap,
    Parameters(query): Parameters<EventsQuery>,
) -> Result<Response, ApiError> {
    let wait = wait(query.wait_ms, Duration::ZERO)?;
    let mut filter = query.filter();
    if !wants_stream(&headers) {
        let page = events::page(&project, &agent, filter, wait).await?;
        let events = page.events.iter().map(|event| EventJson::of(event)).collect();
        return Ok(Json(PageJson { events, next: page.next }).into_response());
    }
    if let Some(last) = last_event_id(&headers)? {
        filter.after = last;
    }
    filter.limit = MAX_PAGE;
    let events = events::follow(&project, Some(agent), filter).await?.map(|event| match event {
        Ok(event) => {
            let sent = Event::default().id(event.seq.0.to_string()).event(&event.kind);
            sent.json_data(EventJson::of(&event))
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a stream of events was cut off");
            Err(axum::Error::new(error))
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("alive")).into_response())
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get("accept").and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accepted.contains("text/event-stream")
}

/// Where a stream that broke off was: it knows better than the address that it first asked for.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let id = id.to_str().ok().and_then(|id| id.parse().ok());
    id.map(Some).ok_or_else(|| ApiError::invalid("Last-Event-ID", "is not the number of an event"))
}

impl EventsQuery {
    fn filter(&self) -> EventFilter {
        let types = self.types.iter().flat_map(|types| types.split(',')).filter(|kind| !kind.is_empty());
        EventFilter {
            after: self.after.unwrap_or(0),
            types: types.map(str::to_owned).collect(),
            task: self.task,
            limit: self.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE),
        }
    }
}

impl<'a> EventJson<'a> {
    fn of(event: &'a StoredEvent) -> Self {
        Self {
            seq: event.seq,
            at_ms: event.at,
            kind: &event.kind,
            agent: event.agent.as_ref(),
            task: event.task,
            run: event.run,
            data: &event.data,
        }
    }
}
