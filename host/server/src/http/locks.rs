//! `/locks`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use longhouse_core::{
    AgentName, Fence, Hold, Lock, LockCommand, LockId, LockMode, LockRequest, LockTerms, LockWaiter,
    PathPattern, ProjectPath, Taken, TaskId, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{Change, InPath, Parameters, project_path, wait};
use super::task_form::{NoForm, RenewForm};
use crate::app::{App, locks};

/// The longest reason, in bytes.
const MAX_REASON: usize = 1_000;

/// Locks in one page of a list.
const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockForm {
    paths: Vec<PathPattern>,
    #[serde(default = "exclusive")]
    mode: LockMode,
    ttl_ms: Option<u64>,
    task: Option<TaskId>,
    fence: Option<Fence>,
    #[serde(default)]
    reason: String,
    wait_ms: Option<u64>,
}

const fn exclusive() -> LockMode {
    LockMode::Exclusive
}

impl LockForm {
    fn validate(self, now: Timestamp) -> Result<LockRequest, ApiError> {
        let task = match (self.task, self.fence) {
            (Some(task), Some(fence)) => Some(Hold { task, fence }),
            (None, None) => None,
            (Some(_), None) => return Err(ApiError::invalid("fence", "needed with task")),
            (None, Some(_)) => return Err(ApiError::invalid("task", "needed with fence")),
        };
        let wait = wait(self.wait_ms, Duration::ZERO)?;
        Ok(LockRequest {
            patterns: self.paths,
            mode: self.mode,
            ttl_ms: self.ttl_ms.unwrap_or(LockRequest::DEFAULT_TTL_MS),
            task,
            reason: reason(self.reason)?,
            wait_until: Some(wait).filter(|wait| !wait.is_zero()).map(|wait| now.plus(wait)),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakForm {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseQuery {
    fence: Fence,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    path: Option<String>,
    holder: Option<AgentName>,
    after: Option<LockId>,
    limit: Option<usize>,
}

/// Who locks what, or wants to.
#[derive(Serialize)]
struct TermsJson<'a> {
    holder: &'a AgentName,
    task: Option<TaskId>,
    mode: LockMode,
    paths: &'a [PathPattern],
}

#[derive(Serialize)]
struct LockJson<'a> {
    id: LockId,
    fence: Fence,
    #[serde(flatten)]
    terms: TermsJson<'a>,
    reason: &'a str,
    taken_at_ms: Timestamp,
    ttl_ms: u64,
    expires_at_ms: Timestamp,
    orphaned: bool,
}

#[derive(Serialize)]
struct WaiterJson<'a> {
    #[serde(flatten)]
    terms: TermsJson<'a>,
    since_ms: Timestamp,
    until_ms: Timestamp,
}

/// `POST /locks`
pub(super) async fn take(
    State(app): State<Arc<App>>,
    caller: Caller,
    Change { form, keyed }: Change<LockForm>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let request = form.validate(app.clock.now())?;
    let taken = locks::take(&caller.project, caller.by(keyed), request).await?;
    Ok((StatusCode::CREATED, Json(taken_body(taken))))
}

/// `GET /locks`
pub(super) async fn list(
    Caller { project, agent, .. }: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let path = query.path.as_deref().map(|path| project_path("path", path)).transpose()?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE);
    let locks::Locks { found, as_of } = locks::find(&project, agent.name).await?;
    let fits = |terms: &LockTerms| {
        query.holder.as_ref().is_none_or(|holder| terms.holder.agent == *holder)
            && path.as_ref().is_none_or(|path| covers(terms, path))
    };
    let after = |lock: &&Lock| query.after.is_none_or(|after| lock.id > after);
    let mut locks = found.locks.iter().filter(after).filter(|lock| fits(&lock.terms)).map(LockJson::of);
    let page: Vec<LockJson<'_>> = locks.by_ref().take(limit).collect();
    let next = page.last().filter(|_| locks.next().is_some()).map(|lock| lock.id);
    let waiters = found.waiters.iter().filter(|waiter| fits(&waiter.terms));
    let waiting: Vec<WaiterJson<'_>> = waiters.take(limit).map(WaiterJson::of).collect();
    Ok(Json(json!({ "locks": page, "next": next, "waiting": waiting, "as_of": as_of })))
}

/// `POST /locks/{id}/renew`
pub(super) async fn renew(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<RenewForm>,
) -> Result<Json<Value>, ApiError> {
    let renew = LockCommand::Renew(id.parse()?, form.fence);
    Ok(Json(taken_body(locks::renew(&caller.project, caller.by(keyed), renew).await?)))
}

/// `POST /locks/{id}/break`
pub(super) async fn break_lock(
    caller: Caller,
    InPath(id): InPath,
    Change { form, keyed }: Change<BreakForm>,
) -> Result<StatusCode, ApiError> {
    let broken = LockCommand::Break(id.parse()?, reason(form.reason)?);
    locks::end(&caller.project, caller.by(keyed), broken).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /locks/{id}`
pub(super) async fn release(
    caller: Caller,
    InPath(id): InPath,
    Parameters(query): Parameters<ReleaseQuery>,
    Change { form: NoForm {}, keyed }: Change<NoForm>,
) -> Result<StatusCode, ApiError> {
    let release = LockCommand::Release(id.parse()?, query.fence);
    locks::end(&caller.project, caller.by(keyed), release).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn taken_body(taken: Taken) -> Value {
    json!({ "id": taken.lock, "fence": taken.fence, "expires_at_ms": taken.expires_at })
}

fn covers(terms: &LockTerms, path: &ProjectPath) -> bool {
    terms.patterns.iter().any(|pattern| pattern.matches(path))
}

fn reason(reason: String) -> Result<Arc<str>, ApiError> {
    if reason.len() > MAX_REASON {
        return Err(ApiError::invalid("reason", format!("is longer than {MAX_REASON} bytes")));
    }
    Ok(reason.into())
}

impl<'a> TermsJson<'a> {
    fn of(terms: &'a LockTerms) -> Self {
        let task = terms.holder.task.map(|hold| hold.task);
        Self { holder: &terms.holder.agent, task, mode: terms.mode, paths: &terms.patterns }
    }
}

impl<'a> LockJson<'a> {
    fn of(lock: &'a Lock) -> Self {
        Self {
            id: lock.id,
            fence: lock.fence,
            terms: TermsJson::of(&lock.terms),
            reason: &lock.reason,
            taken_at_ms: lock.taken_at,
            ttl_ms: lock.ttl_ms,
            expires_at_ms: lock.expires_at,
            orphaned: lock.orphaned,
        }
    }
}

impl<'a> WaiterJson<'a> {
    fn of(waiter: &'a LockWaiter) -> Self {
        Self { terms: TermsJson::of(&waiter.terms), since_ms: waiter.since, until_ms: waiter.until }
    }
}
