//! What happens around every request: it gets an id, a line in the log, and its failure an answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use super::ApiError;

const HEADER: &str = "x-request-id";

/// Gives ids to requests that bring none.
pub(super) struct RequestIds {
    /// Tells this process's ids from another's.
    prefix: u32,
    last: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> Self {
        Self { prefix: getrandom::u32().unwrap_or_default(), last: AtomicU64::new(0) }
    }

    /// The client's own id, if it is short and plain, else a new one.
    fn of(&self, headers: &HeaderMap) -> String {
        let plain = |id: &&str| {
            (1..=64).contains(&id.len())
                && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
        };
        match headers.get(HEADER).and_then(|id| id.to_str().ok()).filter(plain) {
            Some(id) => id.to_owned(),
            None => format!("{:08x}-{}", self.prefix, self.last.fetch_add(1, Ordering::Relaxed) + 1),
        }
    }
}

/// The outermost middleware.
pub(super) async fn around(
    State(ids): State<std::sync::Arc<RequestIds>>,
    request: Request,
    next: Next,
) -> Response {
    let id = ids.of(request.headers());
    let started = Instant::now();
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let mut response = next.run(request).instrument(span.clone()).await;
    let _entered = span.entered();
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = error.render(&id);
    }
    let us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(status = response.status().as_u16(), us, "answered");
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(HEADER, id);
    }
    response
}

/// The answer for a handler that panicked; the panic itself is in the log.
pub(super) fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    ApiError::unexpected("a handler panicked").into_response()
}
