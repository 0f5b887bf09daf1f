//! Changing files: `PUT`, `DELETE /files/{path}` and `/fs/{write,edit,move,delete,mkdir}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use longhouse_core::{Authorship, Fence, Hold, Keyed, ProjectPath, TaskId, Under, Verb, Version};
use longhouse_workspace::{Committed, Expected, Wish};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{InPath, Sent, ShownLock, parse, project_path, under};
use crate::app::files::{self, Edit, Edited};
use crate::app::{App, AppError, outside};

/// Changes in one request.
const MOST: usize = 1_000;

/// Paths that a scan tells.
const FOUND: usize = 100;

/// On what a change stands, beside its agent.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Authority {
    task: Option<TaskId>,
    fence: Option<Fence>,
    locks: Vec<ShownLock>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WriteForm {
    path: String,
    content: Option<String>,
    base64: Option<String>,
    expected: Option<String>,
    executable: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditForm {
    path: String,
    old_string: String,
    new_string: String,
    #[serde(default)]
    replace_all: bool,
    expected: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveForm {
    from: String,
    to: String,
    expected: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteForm {
    path: String,
    expected: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MakeForm {
    path: String,
}

/// One change or several.
struct Batch<T> {
    items: Vec<T>,
    /// It is one by itself.
    alone: bool,
    author: Authorship,
}

/// `PUT /files/{path}`
pub(super) async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    InPath(path): InPath,
    headers: HeaderMap,
    Sent { bytes, keyed }: Sent,
) -> Result<Response, ApiError> {
    let path = project_path("path", &path)?;
    let asked = condition(&headers)?;
    let expected = asked.unwrap_or(Expected::Absent);
    let wish = Wish::Write { path, content: bytes, expected, executable: None };
    let author = author(&caller, &headers, keyed, Authority::default())?;
    let done = commit(&app, &caller, author, vec![wish], asked.is_some()).await?;
    let status = if expected == Expected::Absent { StatusCode::CREATED } else { StatusCode::OK };
    let tag = done.versions.first().and_then(|(_, version)| version.map(|version| format!("\"{version}\"")));
    let mut response = (status, Json(body(&done, true))).into_response();
    if let Some(Ok(tag)) = tag.map(|tag| HeaderValue::from_str(&tag)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// `DELETE /files/{path}`
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    InPath(path): InPath,
    headers: HeaderMap,
    Sent { keyed, .. }: Sent,
) -> Result<Json<Value>, ApiError> {
    let path = project_path("path", &path)?;
    let asked = condition(&headers)?;
    let wish = Wish::Delete { path, expected: asked.unwrap_or(Expected::Absent) };
    let author = author(&caller, &headers, keyed, Authority::default())?;
    Ok(Json(body(&commit(&app, &caller, author, vec![wish], asked.is_some()).await?, true)))
}

/// `POST /fs/write`
pub(super) async fn write(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<Value>, ApiError> {
    let Batch { items, alone, author } = batch::<WriteForm>(&caller, &headers, sent, "files")?;
    let is_said = items.iter().all(|form| form.expected.is_some());
    let wishes = items.into_iter().map(WriteForm::wish).collect::<Result<_, _>>()?;
    Ok(Json(body(&commit(&app, &caller, author, wishes, is_said).await?, alone)))
}

/// `POST /fs/edit`
pub(super) async fn edit(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<Value>, ApiError> {
    let Batch { items, alone, author } = batch::<EditForm>(&caller, &headers, sent, "edits")?;
    let edits = items.into_iter().map(EditForm::edit).collect::<Result<Vec<_>, _>>()?;
    let (done, edited) = files::edit(&app, &caller.project, &caller.agent, &author, &edits).await?;
    Ok(Json(edits_body(&done, &edited, alone)))
}

/// `POST /fs/move`
pub(super) async fn rename(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<Value>, ApiError> {
    let Batch { items, alone, author } = batch::<MoveForm>(&caller, &headers, sent, "moves")?;
    let is_said = items.iter().all(|form| form.expected.is_some());
    let wish = |MoveForm { from, to, expected }| {
        let (from, to) = (project_path("from", &from)?, project_path("to", &to)?);
        Ok(Wish::Move { from, to, expected: expectation(expected)?.unwrap_or(Expected::Absent) })
    };
    let wishes = items.into_iter().map(wish).collect::<Result<_, ApiError>>()?;
    Ok(Json(body(&commit(&app, &caller, author, wishes, is_said).await?, alone)))
}

/// `POST /fs/delete`
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<Value>, ApiError> {
    let Batch { items, alone, author } = batch::<DeleteForm>(&caller, &headers, sent, "files")?;
    let wish = |DeleteForm { path, expected }| {
        let path = project_path("path", &path)?;
        Ok(Wish::Delete { path, expected: expectation(expected)?.unwrap_or(Expected::Anything) })
    };
    let wishes = items.into_iter().map(wish).collect::<Result<_, ApiError>>()?;
    Ok(Json(body(&commit(&app, &caller, author, wishes, true).await?, alone)))
}

/// `POST /fs/mkdir`
pub(super) async fn make_directory(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<Value>, ApiError> {
    let Batch { items, alone, author } = batch::<MakeForm>(&caller, &headers, sent, "directories")?;
    let wish = |MakeForm { path }| Ok(Wish::MakeDirectory { path: project_path("path", &path)? });
    let wishes = items.into_iter().map(wish).collect::<Result<_, ApiError>>()?;
    Ok(Json(body(&commit(&app, &caller, author, wishes, true).await?, alone)))
}

/// `POST /fs/rescan`
pub(super) async fn rescan(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
) -> Result<Json<Value>, ApiError> {
    let scanned = outside::scan(&project, app.clock.now()).await?;
    let view = project.view_of(&agent);
    let readable = scanned.found.iter().filter(|path| view.grants(Verb::Read, path));
    let commits: Vec<u64> = scanned.commits.iter().map(|number| number.0).collect();
    Ok(Json(json!({
        "looked_at": scanned.looked_at,
        "count": scanned.found.len(),
        "found": readable.take(FOUND).collect::<Vec<_>>(),
        "commits": commits,
    })))
}

/// Makes the changes. Who did not say what it replaces is asked to.
async fn commit(
    app: &App,
    caller: &Caller,
    author: Authorship,
    wishes: Vec<Wish>,
    is_said: bool,
) -> Result<Committed, ApiError> {
    match files::commit(app, &caller.project, &caller.agent, author, wishes).await {
        Err(AppError::Stale(stale)) if !is_said => {
            let path = stale.conflict.path;
            let detail = format!("{path} exists; say which version you replace, with If-Match or `expected`");
            Err(ApiError::new(StatusCode::PRECONDITION_REQUIRED, "version_required", detail)
                .with("path", path.as_str())
                .with("current_version", stale.conflict.current_version))
        }
        done => Ok(done?),
    }
}

impl WriteForm {
    fn wish(self) -> Result<Wish, ApiError> {
        let Self { path, content, base64, expected, executable } = self;
        let content = match (content, base64) {
            (Some(content), None) => content.into_bytes(),
            (None, Some(base64)) => base64::engine::general_purpose::STANDARD
                .decode(base64)
                .map_err(|error| ApiError::invalid("base64", error))?,
            (Some(_), Some(_)) | (None, None) => {
                return Err(ApiError::invalid("content", "say what the file holds, here or in `base64`"));
            }
        };
        let expected = expectation(expected)?.unwrap_or(Expected::Absent);
        Ok(Wish::Write { path: project_path("path", &path)?, content, expected, executable })
    }
}

impl EditForm {
    fn edit(self) -> Result<Edit, ApiError> {
        let Self { path, old_string, new_string, replace_all, expected } = self;
        if old_string.is_empty() || old_string == new_string {
            return Err(ApiError::invalid("old_string", "say which text becomes another; it is not empty"));
        }
        let expected = match expectation(expected)? {
            Some(Expected::Version(version)) => Some(version),
            Some(Expected::Anything) | None => None,
            Some(Expected::Absent) => {
                return Err(ApiError::invalid("expected", "what is not there cannot be edited"));
            }
        };
        let path = project_path("path", &path)?;
        Ok(Edit { path, old: old_string, new: new_string, replace_all, expected })
    }
}

/// Reads one change, or several in `list`, and on what they stand.
fn batch<T: DeserializeOwned>(
    caller: &Caller,
    headers: &HeaderMap,
    Sent { bytes, keyed }: Sent,
    list: &str,
) -> Result<Batch<T>, ApiError> {
    let mut map: Map<String, Value> = parse(&bytes)?;
    let stands: Map<String, Value> =
        ["task", "fence", "locks"].into_iter().filter_map(|key| map.remove_entry(key)).collect();
    let author = author(caller, headers, keyed, read(Value::Object(stands))?)?;
    let Some(several) = map.remove(list) else {
        return Ok(Batch { items: vec![read(Value::Object(map))?], alone: true, author });
    };
    if let Some(other) = map.keys().next() {
        return Err(ApiError::invalid(other, format!("belongs into each of `{list}`")));
    }
    let items: Vec<T> = read(several)?;
    if items.is_empty() || items.len() > MOST {
        return Err(ApiError::invalid(list, format!("from 1 to {MOST}")));
    }
    Ok(Batch { items, alone: false, author })
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, ApiError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        ApiError::invalid(if path == "." { "body" } else { &path }, error.inner())
    })
}

fn author(
    caller: &Caller,
    headers: &HeaderMap,
    keyed: Option<Keyed>,
    authority: Authority,
) -> Result<Authorship, ApiError> {
    let Authority { task, fence, locks } = authority;
    let under = match hold(headers)? {
        Some(hold) if task.is_none() && fence.is_none() => Under::Lease(hold),
        Some(_) | None => under(task, fence)?,
    };
    let locks = locks.into_iter().map(ShownLock::into).collect();
    Ok(Authorship { under, locks, keyed, ..Authorship::of(caller.agent.name.clone()) })
}

/// `Longhouse-Fence: TASK:N`
fn hold(headers: &HeaderMap) -> Result<Option<Hold>, ApiError> {
    const NAME: &str = "Longhouse-Fence";
    let Some(value) = headers.get(NAME) else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(|text| text.split_once(':')).and_then(|(task, fence)| {
        Some(Hold { task: task.trim().parse().ok()?, fence: Fence(fence.trim().parse().ok()?) })
    });
    parsed.map(Some).ok_or_else(|| ApiError::invalid(NAME, "is a task and its fence, such as t12:34"))
}

/// What the headers say of what is replaced.
fn condition(headers: &HeaderMap) -> Result<Option<Expected>, ApiError> {
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default().trim());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(None),
        (None, Some("*")) => Ok(Some(Expected::Absent)),
        (Some("*"), None) => Ok(Some(Expected::Anything)),
        (Some(tag), None) => {
            let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let version = version.and_then(|version| version.parse::<Version>().ok());
            let wrong = || ApiError::invalid("If-Match", "is the ETag of a version, or *");
            version.map(|version| Some(Expected::Version(version))).ok_or_else(wrong)
        }
        (_, Some(_)) => Err(ApiError::invalid("If-None-Match", "can be * alone, without If-Match")),
    }
}

/// What a body says of what is replaced.
fn expectation(expected: Option<String>) -> Result<Option<Expected>, ApiError> {
    let Some(text) = expected else { return Ok(None) };
    Ok(Some(match text.as_str() {
        "absent" => Expected::Absent,
        "*" => Expected::Anything,
        version => Expected::Version(version.parse().map_err(|_| {
            ApiError::invalid("expected", "is a version, \"absent\", or \"*\" for whatever is there")
        })?),
    }))
}

fn body(done: &Committed, alone: bool) -> Value {
    let commit = done.number.map(|number| number.0);
    let file = |(path, version): &(ProjectPath, Option<Version>)| json!({ "path": path, "version": version.map(|version| version.to_string()) });
    match (alone, done.versions.first()) {
        (true, Some((path, version))) => {
            json!({ "commit": commit, "path": path, "version": version.map(|version| version.to_string()) })
        }
        (true, None) => json!({ "commit": commit }),
        (false, _) => {
            json!({ "commit": commit, "files": done.versions.iter().map(file).collect::<Vec<_>>() })
        }
    }
}

fn edits_body(done: &Committed, edited: &[Edited], alone: bool) -> Value {
    let commit = done.number.map(|number| number.0);
    let version = |path: &ProjectPath| {
        let found = done.versions.iter().find(|(at, _)| at == path);
        found.and_then(|(_, version)| version.map(|version| version.to_string()))
    };
    let one = |edited: &Edited| {
        json!({
            "path": edited.path,
            "version": version(&edited.path),
            "replaced": edited.replaced,
            "first_line": edited.first_line,
            "text": edited.around,
        })
    };
    match (alone, edited) {
        (true, [only]) => {
            let mut body = one(only);
            if let Value::Object(body) = &mut body {
                body.insert("commit".into(), json!(commit));
            }
            body
        }
        _ => json!({ "commit": commit, "edits": edited.iter().map(one).collect::<Vec<_>>() }),
    }
}
