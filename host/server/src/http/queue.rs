//! `/queue`

use axum::Json;
use axum::http::StatusCode;
use longhouse_core::{Label, QueueCommand, QueueLimits, Scope};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::Change;
use crate::app::queue;

/// What is paused or resumed: a label, or everything.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScopeForm {
    label: Option<Label>,
}

/// `GET /queue`
pub(super) async fn find(Caller { project, agent, .. }: Caller) -> Result<Json<Value>, ApiError> {
    let facts = queue::find(&project, agent.name).await?;
    Ok(Json(json!({
        "paused": facts.rules.paused,
        "paused_labels": facts.rules.paused_labels,
        "limits": facts.rules.limits,
        "counts": facts.counts,
        "waiting_claims": facts.waiting_claims,
    })))
}

/// `POST /queue/pause`
pub(super) async fn pause(
    caller: Caller,
    Change { form, keyed }: Change<ScopeForm>,
) -> Result<StatusCode, ApiError> {
    change(caller, keyed, QueueCommand::Pause(Scope { label: form.label })).await
}

/// `POST /queue/resume`
pub(super) async fn resume(
    caller: Caller,
    Change { form, keyed }: Change<ScopeForm>,
) -> Result<StatusCode, ApiError> {
    change(caller, keyed, QueueCommand::Resume(Scope { label: form.label })).await
}

/// `GET /queue/limits`
pub(super) async fn limits(Caller { project, agent, .. }: Caller) -> Result<Json<QueueLimits>, ApiError> {
    Ok(Json(queue::find(&project, agent.name).await?.rules.limits))
}

/// `PUT /queue/limits`
pub(super) async fn set_limits(
    caller: Caller,
    Change { form, keyed }: Change<QueueLimits>,
) -> Result<StatusCode, ApiError> {
    change(caller, keyed, QueueCommand::SetLimits(Box::new(form))).await
}

async fn change(
    caller: Caller,
    keyed: Option<longhouse_core::Keyed>,
    command: QueueCommand,
) -> Result<StatusCode, ApiError> {
    queue::change(&caller.project, caller.by(keyed), command).await?;
    Ok(StatusCode::NO_CONTENT)
}
