//! `/agents`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use longhouse_core::{
    AgentName, Cost, CrewCommand, EventSeq, Fence, Heartbeat, Hold, ProviderName, TaskId, Under, Usage,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::crew_body::MemberJson;
use super::extract::{Change, InPath};
use super::messages::rfc3339;
use super::task_form::text;
use crate::app::{App, crew};

/// The caller's own name in addresses.
const ME: &str = "me";

/// The longest reason, in bytes.
const MAX_REASON: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BeatForm {
    status: Option<String>,
    task: Option<TaskId>,
    ttl_ms: Option<u64>,
    provider: Option<ProviderName>,
    ack_interrupt: Option<EventSeq>,
    usage: Option<UsageForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageForm {
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    cost_usd: Cost,
    #[serde(default)]
    calls: u64,
    task: Option<TaskId>,
    fence: Option<Fence>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackoffForm {
    provider: Option<ProviderName>,
    retry_after_s: u64,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaveForm {
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InterruptForm {
    #[serde(default)]
    reason: String,
}

/// `GET /agents`
pub(super) async fn list(Caller { project, agent, .. }: Caller) -> Result<Json<Value>, ApiError> {
    let (found, as_of) = crew::list(&project, agent.name).await?;
    let agents: Vec<_> = found.iter().map(MemberJson::of).collect();
    Ok(Json(json!({ "agents": agents, "as_of": as_of })))
}

/// `GET /agents/{name}`
pub(super) async fn find(
    Caller { project, agent, .. }: Caller,
    InPath(name): InPath,
) -> Result<Response, ApiError> {
    let name = if name == ME { agent.name.clone() } else { name.parse()? };
    let facts = crew::find(&project, agent.name, name).await?;
    Ok(Json(MemberJson::of(&facts)).into_response())
}

/// `POST /agents/me/heartbeat`
pub(super) async fn heartbeat(
    caller: Caller,
    Change { form, keyed }: Change<BeatForm>,
) -> Result<Response, ApiError> {
    let facts = crew::heartbeat(&caller.project, caller.by(keyed), form.validate()?).await?;
    Ok(Json(MemberJson::of(&facts)).into_response())
}

/// `POST /agents/me/usage`
pub(super) async fn usage(
    caller: Caller,
    Change { form, keyed }: Change<UsageForm>,
) -> Result<Json<Value>, ApiError> {
    let (usage, under) = form.validate()?;
    let spend = CrewCommand::Spend(usage, under);
    let counted = crew::spend(&caller.project, caller.by(keyed), spend).await?;
    let task = counted.task.map(|(id, usage)| json!({ "id": id, "usage": usage }));
    Ok(Json(json!({
        "agent": counted.agent, "project": counted.project, "task": task,
        "task_spent": counted.task_spent, "spent": counted.spent,
    })))
}

/// `POST /agents/me/backoff`
pub(super) async fn backoff(
    State(app): State<Arc<App>>,
    caller: Caller,
    Change { form, keyed }: Change<BackoffForm>,
) -> Result<Json<Value>, ApiError> {
    let BackoffForm { provider, retry_after_s, reason } = form;
    let reason = short("reason", reason)?;
    let until = app.clock.now().plus(Duration::from_secs(retry_after_s));
    let cool = CrewCommand::Cool { provider, until, reason };
    let cooldown = crew::cool(&caller.project, caller.by(keyed), cool).await?;
    Ok(Json(json!({ "rate_limited": cooldown })))
}

/// `POST /agents/me/leave`
pub(super) async fn leave(
    caller: Caller,
    Change { form, keyed }: Change<LeaveForm>,
) -> Result<StatusCode, ApiError> {
    let leave = CrewCommand::Leave(text("note", form.note)?);
    crew::tell(&caller.project, caller.by(keyed), leave).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /agents/{name}/interrupt`
pub(super) async fn interrupt(
    caller: Caller,
    InPath(name): InPath,
    Change { form, keyed }: Change<InterruptForm>,
) -> Result<StatusCode, ApiError> {
    let interrupt = CrewCommand::Interrupt(name.parse()?, short("reason", form.reason)?);
    crew::tell(&caller.project, caller.by(keyed), interrupt).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /classic/worker-status.json`: by name.
pub(super) async fn classic(
    Caller { project, agent, .. }: Caller,
) -> Result<Json<BTreeMap<AgentName, Value>>, ApiError> {
    let (found, _) = crew::list(&project, agent.name).await?;
    let status = |facts: &longhouse_core::MemberFacts| {
        json!({
            "status": facts.status,
            "last_heartbeat": facts.last_seen.map(rfc3339),
            "last_task_completed": facts.last_completed.map(|task| task.0),
            "capabilities": facts.agent.capabilities,
        })
    };
    Ok(Json(found.iter().map(|facts| (facts.agent.name.clone(), status(facts))).collect()))
}

impl BeatForm {
    fn validate(self) -> Result<Heartbeat, ApiError> {
        let Self { status, task, ttl_ms, provider, ack_interrupt, usage } = self;
        if task.is_some() && status.is_none() {
            return Err(ApiError::invalid("status", "say what you do at the task"));
        }
        let usage = usage.map(UsageForm::validate).transpose()?;
        let doing = status.map(Into::into);
        Ok(Heartbeat { doing, task, ttl_ms, provider, ack_interrupt, usage })
    }
}

impl UsageForm {
    fn validate(self) -> Result<(Usage, Under), ApiError> {
        let Self { input_tokens, output_tokens, cost_usd, calls, task, fence } = self;
        let under = match (task, fence) {
            (Some(task), Some(fence)) => Under::Lease(Hold { task, fence }),
            (None, None) => Under::TheOnlyLease,
            (Some(_), None) => return Err(ApiError::invalid("fence", "has to be given with task")),
            (None, Some(_)) => return Err(ApiError::invalid("task", "has to be given with fence")),
        };
        Ok((Usage { input_tokens, output_tokens, cost_usd, calls }, under))
    }
}

fn short(field: &str, text: String) -> Result<Arc<str>, ApiError> {
    if text.len() > MAX_REASON {
        return Err(ApiError::invalid(field, format!("at most {MAX_REASON} bytes are possible")));
    }
    Ok(text.into())
}
