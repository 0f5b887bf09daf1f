//! The server about itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use longhouse_engine::{ToolInfo, ToolState};
use serde_json::{Value, json};

use super::auth::Caller;
use crate::app::App;

/// `GET /healthz`: the process answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether every tool is compiled; 503 until then.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let ready = app.engine.ready();
    let status = if ready.is_complete() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": ready.is_complete(),
        "tools": { "settled": ready.settled, "total": ready.total },
        "projects": app.projects.len(),
    });
    (status, Json(body)).into_response()
}

/// `GET /v1/projects`
pub(super) async fn projects(State(app): State<Arc<App>>) -> Json<Value> {
    let projects: Vec<Value> = app.projects.keys().map(|name| json!({ "name": name.as_str() })).collect();
    Json(json!({ "projects": projects }))
}

/// `GET /tools`
pub(super) async fn tools(State(app): State<Arc<App>>, _: Caller) -> Json<Value> {
    let tools: Vec<Value> = app.engine.tools().iter().map(tool).collect();
    Json(json!({ "tools": tools }))
}

fn tool(tool: &ToolInfo) -> Value {
    let (state, reason) = match &tool.state {
        ToolState::Compiling => ("compiling", None),
        ToolState::Ready => ("ready", None),
        ToolState::Failed(reason) => ("failed", Some(reason)),
    };
    json!({
        "name": tool.name, "version": tool.version, "summary": tool.summary, "commands": tool.commands,
        "hash": tool.hash, "bytes": tool.bytes, "state": state, "reason": reason,
    })
}

/// On every answer: nothing that is served here is to be guessed at, framed or kept.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
