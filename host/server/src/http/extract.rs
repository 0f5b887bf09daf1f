//! Reading requests: what they bring is checked here, and nowhere after.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use longhouse_core::ProjectPath;
use serde::de::DeserializeOwned;

use super::{ApiError, error};

/// The longest body accepted, in bytes.
const MAX_BODY: usize = 32 << 20;

/// The longest a request may wait for something to happen.
const MAX_WAIT: Duration = Duration::from_secs(50);

/// A JSON body. Fields that are not known are refused: they would be misspelt ones.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let announced =
            request.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: usize| length > MAX_BODY) {
            return Err(too_large());
        }
        let body = axum::body::to_bytes(request.into_body(), MAX_BODY).await.map_err(|_| too_large())?;
        serde_json::from_slice(&body).map(Self).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => ApiError::invalid("body", error),
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => {
                let detail = format!("the body is not JSON: {error}");
                ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
            }
        })
    }
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

/// A path in the project that came in `field`.
pub(super) fn project_path(field: &str, text: &str) -> Result<ProjectPath, ApiError> {
    ProjectPath::parse(text).map_err(|invalid| error::path(field, text, invalid))
}

/// How long to wait, from `wait_ms`.
pub(super) fn wait(wait_ms: Option<u64>, default: Duration) -> Result<Duration, ApiError> {
    let wait = wait_ms.map_or(default, Duration::from_millis);
    if wait > MAX_WAIT {
        return Err(ApiError::invalid("wait_ms", format!("at most {}", MAX_WAIT.as_millis())));
    }
    Ok(wait)
}

fn too_large() -> ApiError {
    let detail = format!("the body is longer than {MAX_BODY} bytes, or was cut off");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).with("limit", MAX_BODY)
}
