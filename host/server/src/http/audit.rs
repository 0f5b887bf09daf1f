//! `/audit`

use axum::Json;
use longhouse_core::{Act, AgentName, Denied, RunId};
use longhouse_store::{DenialFilter, StoredDenial};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{self, Parameters};
use crate::app::audit;

/// Rows in one page.
const PAGE: u32 = 100;
const MOST: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    agent: Option<AgentName>,
    run: Option<RunId>,
    act: Option<String>,
    before: Option<u64>,
    limit: Option<u32>,
}

/// `GET /audit`
pub(super) async fn list(
    Caller { project, .. }: Caller,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<Value>, ApiError> {
    let ListQuery { agent, run, act, before, limit } = query;
    let act = act.map(|act| act.parse::<Act>()).transpose();
    let act = act.map_err(|error| ApiError::invalid("act", error))?;
    let limit = extract::limit(limit, PAGE, MOST)?;
    let denials = audit::list(&project, DenialFilter { agent, run, act, before, limit }).await?;
    let is_full = usize::try_from(limit).is_ok_and(|limit| denials.len() >= limit);
    let next = denials.last().filter(|_| is_full).map(|denial| denial.id);
    Ok(Json(json!({ "refusals": denials.iter().map(body).collect::<Vec<_>>(), "next": next })))
}

fn body(stored: &StoredDenial) -> Value {
    let StoredDenial { id, denied: Denied { denial, count, named }, between: (first, last) } = stored;
    json!({
        "id": id, "agent": denial.agent, "run": denial.run, "act": denial.act.as_str(), "rule": denial.rule,
        "count": count, "named": named, "first_at_ms": first, "last_at_ms": last,
    })
}
