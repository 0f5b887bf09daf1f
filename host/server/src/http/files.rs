//! `/files` and `/fs`

use std::io::SeekFrom;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use longhouse_core::{CommitNumber, EntryKind, ProjectPath};
use longhouse_workspace::{Entry, Kind, ListOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::ApiError;
use super::auth::Caller;
use super::extract::{InPath, JsonBody, Parameters, project_path};
use crate::app::AppError;
use crate::app::archive::{self, Archive};
use crate::app::files::{self, Content, Lines, Served};

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ArchiveQuery {
    #[serde(default)]
    path: String,
    since: Option<u64>,
}

/// Up to which commit an archive has everything.
const COMMIT: HeaderName = HeaderName::from_static("longhouse-commit");

/// Lines of a file, unless said.
const DEFAULT_LINES: usize = 2_000;
/// Files in one request.
const MOST_AT_ONCE: usize = 100;

/// One file, or several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadForm {
    path: Option<String>,
    offset: Option<usize>,
    limit: Option<usize>,
    files: Option<Vec<Wanted>>,
}

/// Lines of one file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    path: String,
    offset: Option<usize>,
    limit: Option<usize>,
}

/// `GET /files/{path}`: the bytes, for saving and never for showing.
pub(super) async fn read(
    Caller { project, agent, .. }: Caller,
    InPath(path): InPath,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    serve(files::read(&project, &agent, project_path("path", &path)?).await?, &headers).await
}

/// A file's bytes, or the part of them that is asked for.
pub(super) async fn serve(
    Served { version, content }: Served,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let tag = format!("\"{version}\"");
    let mut response = if is_known(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        part(content, range(headers, &tag)).await?
    };
    for (name, value) in [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment"),
        (header::ACCEPT_RANGES, "bytes"),
        (header::ETAG, &tag),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_str(value).map_err(|error| ApiError::internal(&error))?);
    }
    Ok(response)
}

/// Whether the client has this version.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|list| list.split(',')).any(|known| matches!(known.trim(), "*") || known.trim() == tag)
}

/// The part that is asked for, unless it is of another version.
fn range<'a>(headers: &'a HeaderMap, tag: &str) -> Option<&'a str> {
    let applies = headers.get(header::IF_RANGE).is_none_or(|version| version.as_bytes() == tag.as_bytes());
    headers.get(header::RANGE).filter(|_| applies)?.to_str().ok()
}

/// The answer with one part of the content, or with all of it if no part or several are asked for.
async fn part(content: Content, range: Option<&str>) -> Result<Response, ApiError> {
    let size = match &content {
        Content::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        Content::File(_, size) => *size,
    };
    let asked = range.and_then(|range| http_range_header::parse_range_header(range).ok());
    let asked = asked.map(|asked| asked.validate(size)).transpose().map_err(|_| {
        let detail = format!("the file has {size} bytes; ask for a part of those");
        ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail).with("size", size)
    })?;
    let (status, first, length) = match asked.as_deref() {
        Some([one]) => (StatusCode::PARTIAL_CONTENT, *one.start(), one.end() - one.start() + 1),
        Some(_) | None => (StatusCode::OK, 0, size),
    };
    let body = match content {
        Content::Bytes(bytes) => {
            let first = usize::try_from(first).unwrap_or(usize::MAX);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            Body::from(Bytes::from(bytes).slice(first..first.saturating_add(length)))
        }
        Content::File(file, _) => {
            let mut file = tokio::fs::File::from_std(file);
            file.seek(SeekFrom::Start(first)).await.map_err(|error| ApiError::internal(&error))?;
            // Not beyond what the header announces, should it grow meanwhile.
            Body::from_stream(ReaderStream::new(file.take(length)))
        }
    };
    let mut response = (status, [(header::CONTENT_LENGTH, length.to_string())], body).into_response();
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {first}-{}/{size}", first + length - 1);
        let range = HeaderValue::from_str(&range).map_err(|error| ApiError::internal(&error))?;
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// `GET /fs/archive`
pub(super) async fn archive(
    Caller { project, agent, .. }: Caller,
    Parameters(ArchiveQuery { path, since }): Parameters<ArchiveQuery>,
) -> Result<Response, ApiError> {
    let path = project_path("path", &path)?;
    let Archive { through, pieces } =
        archive::archive(&project, &agent, path, since.map(CommitNumber)).await?;
    let body = Body::from_stream(futures_util::stream::unfold(pieces, async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    }));
    let through = HeaderValue::from(through.0);
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar")), (COMMIT, through)], body)
        .into_response())
}

/// `POST /fs/read`
pub(super) async fn read_lines(
    Caller { project, agent, .. }: Caller,
    JsonBody(form): JsonBody<ReadForm>,
) -> Result<Json<Value>, ApiError> {
    let (wanted, alone) = form.wanted()?;
    let mut asked = Vec::with_capacity(wanted.len());
    let mut paths = Vec::with_capacity(wanted.len());
    for Wanted { path, offset, limit } in wanted {
        let at = project_path("path", &path);
        if let Ok(path) = &at {
            let (first, count) = (offset.unwrap_or(1).max(1), limit.unwrap_or(DEFAULT_LINES));
            asked.push(files::Wanted { path: path.clone(), first, count });
        }
        paths.push((path, at.err()));
    }
    let mut lines = files::lines(&project, &agent, asked).await?.into_iter();
    let mut read = Vec::with_capacity(paths.len());
    for (path, invalid) in paths {
        let found = match invalid {
            Some(error) => Err(error),
            None => lines.next().unwrap_or(Err(AppError::Confused)).map_err(ApiError::from),
        };
        match found {
            Ok(lines) => read.push(json!(TextBody::of(&path, lines))),
            Err(error) if alone => return Err(error),
            Err(error) => read.push(json!({ "path": path, "error": error.brief() })),
        }
    }
    Ok(Json(if alone { read.pop().unwrap_or_default() } else { json!({ "files": read }) }))
}

impl ReadForm {
    /// What is to be read, and whether it is one file by itself.
    fn wanted(self) -> Result<(Vec<Wanted>, bool), ApiError> {
        let Self { path, offset, limit, files } = self;
        match (path, files) {
            (Some(path), None) => Ok((vec![Wanted { path, offset, limit }], true)),
            (None, Some(files)) if offset.is_some() || limit.is_some() || files.is_empty() => {
                Err(ApiError::invalid("files", "one or more, each with an offset and a limit of its own"))
            }
            (None, Some(files)) if files.len() > MOST_AT_ONCE => {
                Err(ApiError::invalid("files", format!("at most {MOST_AT_ONCE}")))
            }
            (None, Some(files)) => Ok((files, false)),
            (Some(_), Some(_)) | (None, None) => {
                Err(ApiError::invalid("path", "say which file, or which several in `files`"))
            }
        }
    }
}

/// Lines of a file as they are told.
#[derive(Serialize)]
struct TextBody<'a> {
    path: &'a str,
    version: String,
    size: usize,
    executable: bool,
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_lines: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl<'a> TextBody<'a> {
    fn of(path: &'a str, lines: Lines) -> Self {
        let Lines { version, size, first, count, total, is_truncated, text } = lines;
        let is_text = text.is_ok();
        let (text, base64) = match text {
            Ok(text) => (Some(text), None),
            Err(bytes) => (None, Some(base64::engine::general_purpose::STANDARD.encode(bytes))),
        };
        Self {
            path,
            version: version.to_string(),
            size,
            executable: version.kind == EntryKind::Executable,
            truncated: is_truncated,
            first_line: is_text.then_some(first),
            lines: is_text.then_some(count),
            total_lines: is_text.then_some(total),
            text,
            base64,
        }
    }
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

/// An entry as it is told.
pub(super) fn entry(entry: &Entry) -> Value {
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
