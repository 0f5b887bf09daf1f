//! `/state`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use longhouse_core::{Precondition, StateKey, StateVersion};
use longhouse_store::{KeyFilter, SharedKey, SharedValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{InPath, Parameters, Sent, parse, wait};
use crate::app::{App, shared};

/// Keys in one page.
const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

/// The longest value, in bytes of JSON.
const MAX_VALUE: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindQuery {
    after: Option<StateVersion>,
    wait_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    #[serde(default)]
    prefix: String,
    after: Option<StateKey>,
    limit: Option<u32>,
}

/// `GET /state/{key}`
pub(super) async fn find(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    InPath(key): InPath,
    Parameters(query): Parameters<FindQuery>,
) -> Result<Response, ApiError> {
    let key = parse_key(&key)?;
    let wait = wait(query.wait_ms, Duration::ZERO)?;
    let until = (!wait.is_zero()).then(|| app.clock.now().plus(wait));
    let found = shared::find(&project, agent.name, key.clone(), query.after, until).await?;
    let SharedValue { version, value, set_by, at } = found;
    let value = RawValue::from_string(value).map_err(|error| ApiError::internal(&error))?;
    let body = json!({ "key": key, "version": version, "value": value, "set_by": set_by, "at_ms": at });
    Ok((etag(version), Json(body)).into_response())
}

/// `PUT /state/{key}`: the body is the value.
pub(super) async fn set(
    caller: Caller,
    InPath(key): InPath,
    headers: HeaderMap,
    Sent { bytes, keyed }: Sent,
) -> Result<Response, ApiError> {
    let key = parse_key(&key)?;
    let expected = precondition(&headers)?;
    if bytes.len() > MAX_VALUE {
        let detail = format!("a value has at most {MAX_VALUE} bytes; write more into a file and name that");
        return Err(
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).with("limit", MAX_VALUE)
        );
    }
    // Whoever reads it must be able to: no deeper than JSON is read.
    parse::<Value>(&bytes)?;
    let value = parse::<Box<RawValue>>(&bytes)?.get().into();
    let version = shared::set(&caller.project, caller.by(keyed), key.clone(), value, expected).await?;
    Ok((etag(version), Json(json!({ "key": key, "version": version }))).into_response())
}

/// `DELETE /state/{key}`
pub(super) async fn delete(
    caller: Caller,
    InPath(key): InPath,
    headers: HeaderMap,
    Sent { bytes: _, keyed }: Sent,
) -> Result<StatusCode, ApiError> {
    let expected = precondition(&headers)?;
    shared::delete(&caller.project, caller.by(keyed), parse_key(&key)?, expected).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /state`
pub(super) async fn list(
    Caller { project, .. }: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let ListQuery { prefix, after, limit } = query;
    let limit = limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let page = shared::list(&project, KeyFilter { prefix, after, limit }).await?;
    let is_full = u32::try_from(page.keys.len()).unwrap_or(u32::MAX) >= limit;
    let next = page.keys.last().filter(|_| is_full).map(|key| &key.key);
    let keys: Vec<Value> = page.keys.iter().map(key_body).collect();
    Ok(Json(json!({ "keys": keys, "next": next, "as_of": page.as_of })))
}

fn key_body(key: &SharedKey) -> Value {
    let SharedKey { key, version, bytes, set_by, at } = key;
    json!({ "key": key, "version": version, "bytes": bytes, "set_by": set_by, "at_ms": at })
}

fn parse_key(text: &str) -> Result<StateKey, ApiError> {
    text.parse().map_err(|invalid| ApiError::invalid("key", invalid))
}

fn etag(version: StateVersion) -> [(&'static str, String); 1] {
    [("etag", format!("\"{version}\""))]
}

/// How the key has to stand, by `If-Match` and `If-None-Match`.
fn precondition(headers: &HeaderMap) -> Result<Precondition, ApiError> {
    let text = |name: &str| {
        let value = headers.get(name).map(|value| value.to_str());
        value.transpose().map_err(|_| ApiError::invalid(name, "is not plain ASCII"))
    };
    match (text("If-Match")?, text("If-None-Match")?) {
        (None, None) => Ok(Precondition::Any),
        (None, Some("*")) => Ok(Precondition::Absent),
        (Some("*"), None) => Ok(Precondition::Present),
        (Some(tag), None) => {
            let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let version = version.and_then(|version| version.parse().ok());
            let version = version.ok_or_else(|| {
                ApiError::invalid("If-Match", "is neither * nor a version in quotes such as \"17\"")
            })?;
            Ok(Precondition::Version(StateVersion(version)))
        }
        (None, Some(_)) => Err(ApiError::invalid("If-None-Match", "can only be *")),
        (Some(_), Some(_)) => Err(ApiError::invalid("If-None-Match", "cannot stand beside If-Match")),
    }
}
