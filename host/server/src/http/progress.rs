//! `/progress`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use longhouse_core::{ProjectProgress, TaskStatus, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::Change;
use super::messages::rfc3339;
use crate::app::App;
use crate::app::progress::{self, Progress};

/// The longest status and message, in bytes.
const MAX_STATUS: usize = 100;
const MAX_MESSAGE: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProgressForm {
    current_step: u64,
    total_steps: u64,
    #[serde(default)]
    status: String,
    #[serde(default)]
    message: String,
}

/// `GET /progress`
pub(super) async fn find(Caller { project, .. }: Caller) -> Result<Json<Value>, ApiError> {
    let progress = progress::find(&project).await?;
    Ok(Json(json!({
        "total": progress.total(),
        "done": progress.count(TaskStatus::Completed),
        "failed": progress.count(TaskStatus::Failed),
        "in_progress": progress.count(TaskStatus::InProgress) + progress.count(TaskStatus::Verifying),
        "percent": progress.percent(),
        "counts": progress.counts,
        "set": progress.set,
        "as_of": progress.as_of,
    })))
}

/// `PUT /progress`
pub(super) async fn set(
    caller: Caller,
    Change { form, keyed }: Change<ProgressForm>,
) -> Result<StatusCode, ApiError> {
    progress::set(&caller.project, caller.by(keyed), form.validate()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /classic/progress.json`
pub(super) async fn classic(
    State(app): State<Arc<App>>,
    Caller { project, .. }: Caller,
) -> Result<Json<Value>, ApiError> {
    let progress = progress::find(&project).await?;
    let (done, total) = (progress.count(TaskStatus::Completed), progress.total());
    let (current, total, status, at) = match &progress.set {
        Some(set) => (set.current_step, set.total_steps, set.status.as_str(), set.at_ms),
        None => (done, total, by_tasks(&progress), app.clock.now()),
    };
    Ok(Json(json!({
        "current_step": current, "total_steps": total, "status": status, "last_updated": rfc3339(at),
    })))
}

/// Where the project stands if nobody said so.
fn by_tasks(progress: &Progress) -> &'static str {
    let ended = progress.count(TaskStatus::Completed) + progress.count(TaskStatus::Failed);
    let begun = ended + progress.count(TaskStatus::InProgress) + progress.count(TaskStatus::Verifying);
    if begun == 0 {
        "not_started"
    } else if ended == progress.total() {
        "completed"
    } else {
        "in_progress"
    }
}

impl ProgressForm {
    fn validate(self) -> Result<ProjectProgress, ApiError> {
        let Self { current_step, total_steps, status, message } = self;
        if current_step > total_steps {
            return Err(ApiError::invalid("current_step", format!("is beyond total_steps, {total_steps}")));
        }
        for (field, text, most) in [("status", &status, MAX_STATUS), ("message", &message, MAX_MESSAGE)] {
            if text.len() > most {
                return Err(ApiError::invalid(field, format!("at most {most} bytes are possible")));
            }
        }
        let status = if status.is_empty() { "in_progress".to_owned() } else { status };
        let (set_by, at_ms) = (None, Timestamp::default());
        Ok(ProjectProgress { current_step, total_steps, status, message, set_by, at_ms })
    }
}
