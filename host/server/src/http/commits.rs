//! `/commits`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use longhouse_core::{AgentName, Authorship, CommitNumber, Fence, Keyed, Operation, Publication, TaskId};
use longhouse_store::{CommitFilter, CommitRecord};
use longhouse_workspace::Difference;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{self, Change, InPath, InPaths, Parameters, ShownLock, project_path, under};
use super::files;
use crate::app::App;
use crate::app::commits::{self, CommitView};
use crate::app::history::{self, Side};
use crate::app::undo::{self, Mode, What};

/// Commits in one page of a list.
const PAGE: u32 = 50;
const MOST: u32 = 1_000;

/// Changes of one commit in one answer.
const CHANGES: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    agent: Option<AgentName>,
    task: Option<TaskId>,
    path: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FindQuery {
    #[serde(default)]
    from: u32,
    #[serde(default)]
    diff: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadQuery {
    #[serde(default)]
    side: SideName,
}

/// Before or after a commit.
#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum SideName {
    Base,
    #[default]
    New,
}

/// On what an undoing stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevertBody {
    task: Option<TaskId>,
    fence: Option<Fence>,
    #[serde(default)]
    locks: Vec<ShownLock>,
    #[serde(default)]
    dry_run: bool,
    of: Option<OfBody>,
}

/// What is undone: `commits`, or what was done in a task, by an agent if one is named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfBody {
    commits: Option<Vec<u64>>,
    task: Option<TaskId>,
    agent: Option<AgentName>,
}

/// `GET /commits`
pub(super) async fn list(
    Caller { project, agent, .. }: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let ListQuery { agent: by, task, path, before, limit } = query;
    let path = path.map(|path| project_path("path", &path)).transpose()?;
    let limit = extract::limit(limit, PAGE, MOST)?;
    let filter = CommitFilter { agent: by, task, path, before: before.map(CommitNumber), limit };
    let records = commits::list(&project, &agent, filter).await?;
    let is_full = usize::try_from(limit).is_ok_and(|limit| records.len() >= limit);
    let next = records.last().filter(|_| is_full).map(|record| record.number.0);
    Ok(Json(json!({ "commits": records.iter().map(record).collect::<Vec<_>>(), "next": next })))
}

/// `GET /commits/{number}`
pub(super) async fn find(
    Caller { project, agent, .. }: Caller,
    InPath(number): InPath,
    Parameters(FindQuery { from, diff }): Parameters<FindQuery>,
) -> Result<Json<Value>, ApiError> {
    let number = commit_number(&number)?;
    let found = commits::find(&project, &agent, number, (from, CHANGES)).await?;
    let CommitView { record: found, changes, hidden } = found;
    let mut differences = match diff {
        true => history::differences(&project, &agent, number, &changes).await?.into_iter(),
        false => Vec::new().into_iter(),
    };
    let changes: Vec<_> =
        changes.iter().map(|(_, change)| with_difference(told(change), differences.next())).collect();
    let told = u64::from(from) + (changes.len() + hidden) as u64;
    let mut body = record(&found);
    if let Value::Object(body) = &mut body {
        body.insert("changes".into(), json!(changes));
        body.insert("hidden".into(), json!(hidden));
        body.insert("next".into(), json!((told < u64::from(found.changes)).then_some(told)));
    }
    Ok(Json(body))
}

/// `GET /commits/{number}/files/{path}`
pub(super) async fn read(
    Caller { project, agent, .. }: Caller,
    InPaths(number, path): InPaths,
    Parameters(ReadQuery { side }): Parameters<ReadQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (number, path) = (commit_number(&number)?, project_path("path", &path)?);
    let side = match side {
        SideName::Base => Side::Base,
        SideName::New => Side::New,
    };
    files::serve(history::read(&project, &agent, number, path, side).await?, &headers).await
}

/// `POST /commits/{number}/revert`
pub(super) async fn revert(
    State(app): State<Arc<App>>,
    caller: Caller,
    InPath(number): InPath,
    Change { form, keyed }: Change<RevertBody>,
) -> Result<Json<Value>, ApiError> {
    if form.of.is_some() {
        return Err(ApiError::invalid("of", "is said by the path already"));
    }
    let what = What::Commits(vec![commit_number(&number)?]);
    undo(&app, &caller, form, keyed, what).await
}

/// `POST /revert`
pub(super) async fn revert_several(
    State(app): State<Arc<App>>,
    caller: Caller,
    Change { mut form, keyed }: Change<RevertBody>,
) -> Result<Json<Value>, ApiError> {
    let what = match form.of.take() {
        Some(OfBody { commits: Some(commits), task: None, agent: None }) if !commits.is_empty() => {
            What::Commits(commits.into_iter().map(CommitNumber).collect())
        }
        Some(OfBody { commits: None, task: Some(task), agent }) => What::Task(task, agent),
        Some(_) | None => {
            let reason =
                "say what to take back: `commits`, or a `task`, and whose `agent` if not everybody's";
            return Err(ApiError::invalid("of", reason));
        }
    };
    undo(&app, &caller, form, keyed, what).await
}

async fn undo(
    app: &App,
    caller: &Caller,
    form: RevertBody,
    keyed: Option<Keyed>,
    what: What,
) -> Result<Json<Value>, ApiError> {
    let RevertBody { task, fence, locks, dry_run, of: _ } = form;
    let locks = locks.into_iter().map(ShownLock::into).collect();
    let under = under(task, fence)?;
    let author = Authorship { under, locks, keyed, ..Authorship::of(caller.agent.name.clone()) };
    let mode = if dry_run { Mode::DryRun } else { Mode::Commit };
    let undone = undo::undo(app, &caller.project, &caller.agent, author, what, mode).await?;
    let count = undone.changes.len();
    let paths: Vec<_> = undone.changes.into_iter().take(Publication::MOST_PATHS).collect();
    let commits: Vec<u64> = undone.commits.iter().map(|number| number.0).collect();
    Ok(Json(json!({
        "commit": undone.commit.map(|number| number.0),
        "reverted": commits,
        "paths": paths,
        "count": count,
    })))
}

fn commit_number(text: &str) -> Result<CommitNumber, ApiError> {
    text.parse().map(CommitNumber).map_err(|_| ApiError::invalid("commit", "is a number"))
}

/// The same with what it changed in the file, or why that is not told.
pub(super) fn with_difference(mut body: Value, difference: Option<Difference>) -> Value {
    if let (Value::Object(body), Some(difference)) = (&mut body, difference) {
        match difference {
            Difference::Text(text) => body.insert("diff".into(), json!(text)),
            Difference::Omitted(why) => body.insert("diff_omitted".into(), json!(why.as_str())),
        };
    }
    body
}

fn record(record: &CommitRecord) -> Value {
    json!({
        "commit": record.number.0,
        "status": record.status.as_str(),
        "agent": record.agent,
        "task": record.task.map(|hold| hold.task.to_string()),
        "run": record.run.map(|run| run.to_string()),
        "at_ms": record.at,
        "ended_ms": record.ended_at,
        "count": record.changes,
    })
}

fn told(change: &longhouse_core::Change) -> Value {
    let (operation, from) = match &change.operation {
        Operation::Put { .. } => ("put", None),
        Operation::Remove => ("remove", None),
        Operation::Move { from } => ("move", Some(from)),
        Operation::Found => ("found", None),
    };
    json!({
        "path": change.path,
        "operation": operation,
        "from": from,
        "base": change.base.map(|version| version.to_string()),
        "new": change.new.map(|version| version.to_string()),
    })
}
