//! `/commits`

use axum::Json;
use longhouse_core::{AgentName, Change, CommitNumber, Operation, TaskId};
use longhouse_store::{CommitFilter, CommitRecord};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{InPath, Parameters, project_path};
use crate::app::commits::{self, CommitView};

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
}

/// `GET /commits`
pub(super) async fn list(
    Caller { project, agent, .. }: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let ListQuery { agent: by, task, path, before, limit } = query;
    let path = path.map(|path| project_path("path", &path)).transpose()?;
    let limit = match limit.unwrap_or(PAGE) {
        limit @ 1..=MOST => limit,
        _ => return Err(ApiError::invalid("limit", format!("from 1 to {MOST}"))),
    };
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
    Parameters(FindQuery { from }): Parameters<FindQuery>,
) -> Result<Json<Value>, ApiError> {
    let number = number.parse().map_err(|_| ApiError::invalid("commit", "is a number"))?;
    let found = commits::find(&project, &agent, CommitNumber(number), (from, CHANGES)).await?;
    let CommitView { record: found, changes, hidden } = found;
    let told = u64::from(from) + (changes.len() + hidden) as u64;
    let mut body = record(&found);
    if let Value::Object(body) = &mut body {
        body.insert("changes".into(), json!(changes.iter().map(change).collect::<Vec<_>>()));
        body.insert("hidden".into(), json!(hidden));
        body.insert("next".into(), json!((told < u64::from(found.changes)).then_some(told)));
    }
    Ok(Json(body))
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

fn change(change: &Change) -> Value {
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
