//! `/runs`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use longhouse_core::{
    Access, Fence, FileGrants, Isolation, PathPattern, Publication, Publish, RunId, RunStatus, TaskId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::commits::with_difference;
use super::extract::{InPath, JsonBody, Parameters, ShownLock, project_path, under, wait};
use super::run_body::RunBody;
use crate::app::runs::{self, NewRun, RunView};
use crate::app::{App, publish};
use crate::config::profile::is_env_name;

/// How long a call waits for its run, unless it says otherwise.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);

/// Runs in one page of a list.
const DEFAULT_PAGE: u32 = 50;
const MAX_PAGE: u32 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartBody {
    command: Option<String>,
    argv: Option<Vec<String>>,
    #[serde(default)]
    cwd: String,
    #[serde(default)]
    env: BTreeMap<String, String>,
    stdin: Option<String>,
    stdin_base64: Option<String>,
    timeout_ms: Option<u64>,
    wait_ms: Option<u64>,
    task: Option<TaskId>,
    fence: Option<Fence>,
    #[serde(default)]
    locks: Vec<ShownLock>,
    #[serde(default)]
    publish: Publish,
    #[serde(default)]
    isolation: Isolation,
    narrow: Option<NarrowBody>,
}

/// Globs of what a run may touch; what is not said is as its profile has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NarrowBody {
    read: Option<Vec<PathPattern>>,
    write: Option<Vec<PathPattern>>,
    create: Option<Vec<PathPattern>>,
    delete: Option<Vec<PathPattern>>,
    #[serde(default)]
    deny: Vec<PathPattern>,
}

impl From<NarrowBody> for FileGrants {
    fn from(NarrowBody { read, write, create, delete, deny }: NarrowBody) -> Self {
        let all = Self::everything();
        let (read, write) = (read.unwrap_or(all.read), write.unwrap_or(all.write));
        Self { read, write, create, delete, deny, within: None }
    }
}

/// What kept changes are committed under.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CommitBody {
    task: Option<TaskId>,
    fence: Option<Fence>,
    locks: Vec<ShownLock>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitQuery {
    wait_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutputQuery {
    #[serde(default)]
    after: u64,
    wait_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    before: Option<String>,
    limit: Option<u32>,
}

#[derive(Serialize)]
struct ListBody<'a> {
    runs: Vec<RunBody<'a>>,
}

/// `POST /runs`
pub(super) async fn start(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    JsonBody(body): JsonBody<StartBody>,
) -> Result<Response, ApiError> {
    let view = runs::start(&app, &project, &agent, body.validate()?).await?;
    Ok(answer(&view, project.name.as_str()))
}

/// `GET /runs`
pub(super) async fn list(
    Caller { project, agent, .. }: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Response, ApiError> {
    let before = query.before.map(|id| id.parse::<RunId>()).transpose()?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE);
    let runs = runs::list(&project, &agent, before, limit).await?;
    let runs: Vec<_> = runs.iter().map(RunBody::summary).collect();
    Ok(Json(ListBody { runs }).into_response())
}

/// `GET /runs/{id}`
pub(super) async fn find(
    Caller { project, agent, .. }: Caller,
    InPath(id): InPath,
    Parameters(query): Parameters<WaitQuery>,
) -> Result<Response, ApiError> {
    let wait = wait(query.wait_ms, Duration::ZERO)?;
    let view = runs::find(&project, &agent, id.parse()?, wait).await?;
    Ok(Json(RunBody::whole(&view)).into_response())
}

/// `GET /runs/{id}/output`
pub(super) async fn output(
    Caller { project, agent, .. }: Caller,
    InPath(id): InPath,
    Parameters(query): Parameters<OutputQuery>,
) -> Result<Response, ApiError> {
    let wait = wait(query.wait_ms, Duration::ZERO)?;
    let (chunks, next, run) = runs::output(&project, &agent, id.parse()?, query.after, wait).await?;
    Ok(Json(RunBody::page(&run, &chunks, next)).into_response())
}

/// `POST /runs/{id}/kill`
pub(super) async fn kill(
    Caller { project, agent, .. }: Caller,
    InPath(id): InPath,
) -> Result<StatusCode, ApiError> {
    runs::kill(&project, &agent, id.parse()?).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `POST /runs/{id}/commit`
pub(super) async fn commit(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    InPath(id): InPath,
    JsonBody(body): JsonBody<CommitBody>,
) -> Result<Json<Publication>, ApiError> {
    let locks = body.locks.into_iter().map(ShownLock::into).collect();
    let authority = (under(body.task, body.fence)?, locks);
    Ok(Json(publish::commit(&project, &agent, id.parse()?, authority, app.clock.now()).await?))
}

/// `GET /runs/{id}/diff`
pub(super) async fn differences(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    InPath(id): InPath,
) -> Result<Json<Value>, ApiError> {
    let (drafted, count) = publish::differences(&project, &agent, id.parse()?, app.clock.now()).await?;
    let paths: Vec<_> = drafted
        .into_iter()
        .map(|drafted| with_difference(json!(drafted.change), Some(drafted.difference)))
        .collect();
    Ok(Json(json!({ "paths": paths, "count": count })))
}

/// `POST /runs/{id}/rebase`
pub(super) async fn rebase(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    InPath(id): InPath,
) -> Result<Json<Value>, ApiError> {
    let merged = publish::rebase(&project, &agent, id.parse()?, app.clock.now()).await?;
    Ok(Json(json!({ "merged": merged })))
}

/// `POST /runs/{id}/discard`
pub(super) async fn discard(
    State(app): State<Arc<App>>,
    Caller { project, agent, .. }: Caller,
    InPath(id): InPath,
) -> Result<StatusCode, ApiError> {
    publish::discard(&project, &agent, id.parse()?, app.clock.now())?;
    Ok(StatusCode::NO_CONTENT)
}

impl StartBody {
    fn validate(self) -> Result<NewRun, ApiError> {
        let stdin = match (self.stdin, self.stdin_base64) {
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid("stdin", "give stdin or stdin_base64, not both"));
            }
            (Some(text), None) => Some(Bytes::from(text)),
            (None, Some(text)) => {
                let bytes = STANDARD.decode(text);
                Some(bytes.map_err(|error| ApiError::invalid("stdin_base64", error))?.into())
            }
            (None, None) => None,
        };
        let argv = argv(self.command, self.argv)?;
        if let Some((name, _)) =
            self.env.iter().find(|(name, value)| !is_env_name(name) || value.contains('\0'))
        {
            return Err(ApiError::invalid("env", format!("{name:?} cannot be an environment variable")));
        }
        Ok(NewRun {
            argv,
            cwd: project_path("cwd", &self.cwd)?,
            env: self.env.into_iter().collect(),
            stdin,
            timeout: self.timeout_ms.map(Duration::from_millis),
            wait: wait(self.wait_ms, DEFAULT_WAIT)?,
            under: under(self.task, self.fence)?,
            narrow: self.narrow.map(|narrow| Arc::new(narrow.into())),
            access: Access::ReadWrite,
            publish: self.publish,
            isolation: self.isolation,
            locks: self.locks.into_iter().map(ShownLock::into).collect(),
        })
    }
}

/// What is run: a command and its arguments, or the shell with a command line.
fn argv(line: Option<String>, argv: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    let (field, argv) = match (line, argv) {
        (Some(line), None) => ("command", runs::command_line(line)),
        (None, Some(argv)) => ("argv", argv),
        (Some(_), Some(_)) => return Err(ApiError::invalid("command", "give command or argv, not both")),
        (None, None) => {
            return Err(ApiError::invalid("command", "is missing; give a command line, or argv"));
        }
    };
    if argv.is_empty() {
        return Err(ApiError::invalid(field, "is empty; its first element names the command"));
    }
    if argv.iter().any(|argument| argument.contains('\0')) {
        return Err(ApiError::invalid(field, "contains a NUL character"));
    }
    Ok(argv)
}

/// 200 with the outcome, whatever it is; 202 for a run that goes on.
fn answer(view: &RunView, project: &str) -> Response {
    match view.record.status {
        RunStatus::Ended { .. } => Json(RunBody::whole(view)).into_response(),
        RunStatus::Running => {
            let location = format!("/v1/projects/{project}/runs/{}", view.record.id);
            (StatusCode::ACCEPTED, [("location", location)], Json(RunBody::summary(view))).into_response()
        }
    }
}
