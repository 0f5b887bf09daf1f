//! `/files` and `/fs`

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use longhouse_core::ProjectPath;
use longhouse_workspace::{Entry, Kind, ListOptions};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::ApiError;
use super::auth::Caller;
use super::extract::{InPath, Parameters, project_path};
use crate::app::files;

/// Entries in one page of a listing.
const DEFAULT_PAGE: usize = 1_000;
const MAX_PAGE: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    #[serde(default)]
    path: String,
    depth: Option<u32>,
    limit: Option<usize>,
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatQuery {
    #[serde(default)]
    path: String,
}

/// `GET /files/{path}`: the bytes, for saving and never for showing.
pub(super) async fn read(
    Caller { project, agent, .. }: Caller,
    InPath(path): InPath,
) -> Result<Response, ApiError> {
    let opened = files::open(&project, &agent, project_path("path", &path)?).await?;
    // Not beyond what the header announces, should it grow meanwhile.
    let file = tokio::fs::File::from_std(opened.file).take(opened.stat.size);
    let body = Body::from_stream(ReaderStream::new(file));
    let headers = [
        ("content-type", "application/octet-stream".to_owned()),
        ("content-length", opened.stat.size.to_string()),
        ("content-disposition", "attachment".to_owned()),
    ];
    Ok((headers, body).into_response())
}

/// `GET /fs/list`
pub(super) async fn list(
    Caller { project, agent, .. }: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let options = ListOptions {
        depth: query.depth.unwrap_or(1),
        limit: query.limit.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE),
        after: query.after.map(|after| project_path("after", &after)).transpose()?,
    };
    let listing = files::list(&project, &agent, project_path("path", &query.path)?, options).await?;
    let next = listing.entries.last().filter(|_| listing.more).map(|entry| entry.path.as_str());
    Ok(Json(json!({ "entries": listing.entries.iter().map(entry).collect::<Vec<_>>(), "next": next })))
}

/// `GET /fs/stat`
pub(super) async fn stat(
    Caller { project, agent, .. }: Caller,
    Parameters(query): Parameters<StatQuery>,
) -> Result<Json<Value>, ApiError> {
    let path: ProjectPath = project_path("path", &query.path)?;
    Ok(Json(entry(&files::stat(&project, &agent, path).await?)))
}

fn entry(entry: &Entry) -> Value {
    let kind = match entry.stat.kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Link => "link",
    };
    json!({
        "path": entry.path.as_str(),
        "kind": kind,
        "size": entry.stat.size,
        "modified_ms": entry.stat.modified_ms(),
        "executable": entry.stat.executable,
    })
}
