//! Reading requests: what they bring is checked here, and nowhere after.

use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use longhouse_core::{Fence, Hold, InvalidId, Key, Keyed, LockId, ProjectPath, TaskId, Under};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{ApiError, error};

/// The longest body accepted, in bytes.
const MAX_BODY: usize = 32 << 20;

/// How much of a longer one is read before the connection is cut.
const MAX_DRAINED: usize = 4 * MAX_BODY;

/// The longest a request may wait for something to happen.
const MAX_WAIT: Duration = Duration::from_secs(50);

/// A JSON body. Fields that are not known are refused: they would be misspelt ones.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        parse(&read(request.into_body()).await?).map(Self)
    }
}

/// The body of a request that changes something, and its key if it has one.
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    pub(super) keyed: Option<Keyed>,
}

impl<S: Sync> FromRequest<S> for Sent {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let key: Option<Key> = header(request.headers(), "Idempotency-Key")?;
        let mut asked = format!("{} {}\n", request.method(), request.uri().path());
        for condition in ["if-match", "if-none-match"] {
            if let Some(value) = request.headers().get(condition) {
                asked.push_str(&format!("{condition}: {value:?}\n"));
            }
        }
        let bytes = read(request.into_body()).await?;
        let keyed = key.map(|key| Keyed { key, hash: hash(asked.as_bytes(), &bytes) });
        Ok(Self { bytes, keyed })
    }
}

/// The same with a JSON body; none at all stands for one without fields.
pub(super) struct Change<T> {
    pub(super) form: T,
    pub(super) keyed: Option<Keyed>,
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Change<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Sent { bytes, keyed } = Sent::from_request(request, state).await?;
        let form = parse(if bytes.is_empty() { b"{}" } else { &bytes })?;
        Ok(Self { form, keyed })
    }
}

/// A header's value, parsed.
pub(super) fn header<T: FromStr<Err = InvalidId>>(
    headers: &HeaderMap,
    name: &str,
) -> Result<Option<T>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ApiError::invalid(name, "is not plain ASCII"))?;
    text.parse().map(Some).map_err(|invalid| ApiError::invalid(name, invalid))
}

/// What a JSON text says; which field is wrong, if one is.
pub(super) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        malformed(if path == "." { "body" } else { &path }, error.inner())
    })?;
    reader.end().map_err(|error| malformed("body", &error))?;
    Ok(value)
}

fn malformed(field: &str, error: &serde_json::Error) -> ApiError {
    match error.classify() {
        serde_json::error::Category::Data => ApiError::invalid(field, error),
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => {
            let detail = format!("the body is not JSON: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
        }
    }
}

/// The first eight bytes of the SHA-256 of method, path and body.
fn hash(asked: &[u8], body: &[u8]) -> u64 {
    let digest = Sha256::new().chain_update(asked).chain_update(body).finalize();
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// The parameters behind `?`.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(ApiError::invalid("query", rejection.body_text())),
        }
    }
}

/// What stands in the path behind the project's name.
pub(super) struct InPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((_, rest))) => Ok(Self(rest)),
            Err(rejection) => Err(ApiError::invalid("path", rejection.body_text())),
        }
    }
}

/// The same where two things stand there.
pub(super) struct InPaths(pub(super) String, pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for InPaths {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<(String, String, String)>::from_request_parts(parts, state).await {
            Ok(Path((_, first, second))) => Ok(Self(first, second)),
            Err(rejection) => Err(ApiError::invalid("path", rejection.body_text())),
        }
    }
}

/// A path in the project that came in `field`.
pub(super) fn project_path(field: &str, text: &str) -> Result<ProjectPath, ApiError> {
    ProjectPath::parse(text).map_err(|invalid| error::path(field, text, invalid))
}

/// How much to list, from `limit`: at most `most`.
pub(super) fn limit(limit: Option<u32>, default: u32, most: u32) -> Result<u32, ApiError> {
    let limit = limit.unwrap_or(default);
    if (1..=most).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::invalid("limit", format!("from 1 to {most}")))
    }
}

/// How long to wait, from `wait_ms`.
pub(super) fn wait(wait_ms: Option<u64>, default: Duration) -> Result<Duration, ApiError> {
    let wait = wait_ms.map_or(default, Duration::from_millis);
    if wait > MAX_WAIT {
        return Err(ApiError::invalid("wait_ms", format!("at most {}", MAX_WAIT.as_millis())));
    }
    Ok(wait)
}

/// A whole body. Of one that is too long the rest is read and dropped, up to a point: a client that is still
/// sending would not see the answer.
async fn read(mut body: Body) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let detail = format!("the body could not be read to its end: {error}");
            ApiError::new(StatusCode::BAD_REQUEST, "incomplete_body", detail)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= MAX_BODY {
            bytes.extend_from_slice(&data);
        } else if length > MAX_DRAINED {
            break;
        } else {
            bytes = Vec::new();
        }
    }
    if length > MAX_BODY {
        let detail = format!("the body is longer than {MAX_BODY} bytes");
        return Err(
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).with("limit", MAX_BODY)
        );
    }
    Ok(bytes)
}

/// A lock of the caller's that must be in force.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShownLock {
    id: LockId,
    fence: Fence,
}

impl From<ShownLock> for (LockId, Fence) {
    fn from(ShownLock { id, fence }: ShownLock) -> Self {
        (id, fence)
    }
}

/// Under which lease something is done.
pub(super) fn under(task: Option<TaskId>, fence: Option<Fence>) -> Result<Under, ApiError> {
    match (task, fence) {
        (Some(task), Some(fence)) => Ok(Under::Lease(Hold { task, fence })),
        (None, None) => Ok(Under::TheOnlyLease),
        (Some(_), None) => Err(ApiError::invalid("fence", "has to be given with task")),
        (None, Some(_)) => Err(ApiError::invalid("task", "has to be given with fence")),
    }
}
