//! `/policies`

use std::ops::RangeInclusive;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use longhouse_core::{PolicyKind, PolicyVersion, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::ApiError;
use super::auth::Caller;
use super::extract::{Change, JsonBody};
use crate::app::App;
use crate::app::policies::{self, Configured, Deciding, HOST, Wanted};
use crate::app::rehearsal::{self, Replayed, ShadowFacts};

/// How much fuel an admin may give a policy for a decision, in milliseconds of work: agents wait for it.
const FUEL_MS: RangeInclusive<u32> = 1..=10;

/// What is to decide: one of the first three, and what it is configured with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyForm {
    policy: Option<String>,
    component: Option<String>,
    version: Option<PolicyVersion>,
    config: Option<Map<String, Value>>,
    fuel_ms: Option<u32>,
}

/// What is to be replayed, as [`PolicyForm`] says it, and from when on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayForm {
    policy: Option<String>,
    component: Option<String>,
    version: Option<PolicyVersion>,
    config: Option<Map<String, Value>>,
    fuel_ms: Option<u32>,
    since_ms: Option<u64>,
}

/// What is replayed if nobody says since when, in milliseconds: a day.
const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// `POST /policies/{kind}/replay`
pub(super) async fn replay(
    State(app): State<std::sync::Arc<App>>,
    caller: Caller,
    Path((_, kind)): Path<(String, String)>,
    JsonBody(form): JsonBody<ReplayForm>,
) -> Result<Json<Replayed>, ApiError> {
    let ReplayForm { policy, component, version, config, fuel_ms, since_ms } = form;
    let (kind, now) = (parsed(&kind)?, app.clock.now().as_millis());
    let wanted = wanted(PolicyForm { policy, component, version, config, fuel_ms })?;
    let since = since_ms.unwrap_or(now.saturating_sub(DAY_MS));
    if since > now {
        return Err(ApiError::invalid("since_ms", "that is in the future"));
    }
    let since = Timestamp::from_millis(since);
    Ok(Json(rehearsal::replay(&app, &caller.project, kind, wanted, since).await?))
}

/// `POST /policies/{kind}/shadow`
pub(super) async fn shadow(
    State(app): State<std::sync::Arc<App>>,
    caller: Caller,
    Path((_, kind)): Path<(String, String)>,
    JsonBody(form): JsonBody<PolicyForm>,
) -> Result<Json<ShadowFacts>, ApiError> {
    let (kind, wanted) = (parsed(&kind)?, wanted(form)?);
    Ok(Json(rehearsal::shadow(&app, &caller.project, kind, wanted).await?))
}

/// `GET /policies/{kind}/shadow`
pub(super) async fn find_shadow(
    caller: Caller,
    Path((_, kind)): Path<(String, String)>,
) -> Result<Json<ShadowFacts>, ApiError> {
    found(rehearsal::shadow_of(&caller.project, parsed(&kind)?).await)
}

/// `DELETE /policies/{kind}/shadow`
pub(super) async fn end_shadow(
    caller: Caller,
    Path((_, kind)): Path<(String, String)>,
) -> Result<Json<ShadowFacts>, ApiError> {
    found(rehearsal::end_shadow(&caller.project, parsed(&kind)?).await)
}

fn found(facts: Option<ShadowFacts>) -> Result<Json<ShadowFacts>, ApiError> {
    let none =
        || ApiError::new(StatusCode::NOT_FOUND, "no_shadow", "no policy follows this kind; POST one here");
    facts.map(Json).ok_or_else(none)
}

/// `GET /policies`
pub(super) async fn list(
    State(app): State<std::sync::Arc<App>>,
    Caller { project, agent, .. }: Caller,
) -> Result<Json<Value>, ApiError> {
    let deciding = policies::find(&project, agent.name).await?;
    let kinds: Map<String, Value> =
        deciding.iter().map(|deciding| (deciding.kind.to_string(), body(deciding))).collect();
    let built_in: Vec<&String> = app.policies.built_in.keys().collect();
    Ok(Json(json!({ "policies": kinds, "built_in": built_in })))
}

/// `PUT /policies/{kind}`
pub(super) async fn set(
    State(app): State<std::sync::Arc<App>>,
    caller: Caller,
    Path((_, kind)): Path<(String, String)>,
    Change { form, keyed }: Change<PolicyForm>,
) -> Result<Json<Value>, ApiError> {
    let kind = parsed(&kind)?;
    let wanted = wanted(form)?;
    let project = std::sync::Arc::clone(&caller.project);
    let put = policies::set(&app, &project, caller.by(keyed), kind, wanted, app.clock.now()).await?;
    Ok(Json(json!({ "kind": kind, "version": put.version, "printed": put.printed })))
}

/// `POST /policies/{kind}/rollback`
pub(super) async fn roll_back(
    State(app): State<std::sync::Arc<App>>,
    caller: Caller,
    Path((_, kind)): Path<(String, String)>,
    Change { form: Empty {}, keyed }: Change<Empty>,
) -> Result<Json<Value>, ApiError> {
    let kind = parsed(&kind)?;
    let project = std::sync::Arc::clone(&caller.project);
    let version = policies::roll_back(&app, &project, caller.by(keyed), kind).await?;
    Ok(Json(json!({ "kind": kind, "version": version })))
}

/// No fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Empty {}

fn parsed(kind: &str) -> Result<PolicyKind, ApiError> {
    kind.parse().map_err(|error| ApiError::invalid("kind", error))
}

fn wanted(form: PolicyForm) -> Result<Wanted, ApiError> {
    let PolicyForm { policy, component, version, config, fuel_ms } = form;
    if fuel_ms.is_some_and(|fuel_ms| !FUEL_MS.contains(&fuel_ms)) {
        return Err(ApiError::invalid("fuel_ms", "a decision can have fuel for 1 to 10 ms"));
    }
    let set = config.as_ref().map(|_| "config").or(fuel_ms.map(|_| "fuel_ms"));
    let configured = || Configured {
        json: Value::Object(config.unwrap_or_default()),
        fuel_ms: fuel_ms.unwrap_or(policies::usual_fuel_ms()),
    };
    match (policy, component, version) {
        (Some(policy), None, None) if policy == HOST => match set {
            None => Ok(Wanted::Host),
            Some(field) => Err(ApiError::invalid(field, "the host has nothing to be configured")),
        },
        (Some(policy), None, None) => Ok(Wanted::BuiltIn(policy, configured())),
        (None, Some(text), None) => {
            let bytes = STANDARD.decode(text).map_err(|error| ApiError::invalid("component", error))?;
            Ok(Wanted::Component(bytes, configured()))
        }
        (None, None, Some(version)) => match set {
            None => Ok(Wanted::Version(version)),
            Some(field) => Err(ApiError::invalid(field, "a version has its own already")),
        },
        (..) => Err(ApiError::invalid(
            "policy",
            "say what is to decide by one of policy (a built-in one, or \"host\"), component (in base64) and version",
        )),
    }
}

fn body(deciding: &Deciding) -> Value {
    let Deciding { kind: _, in_force, facts, record } = deciding;
    let name = facts.as_ref().map_or(HOST, |facts| &facts.name);
    json!({
        "name": name,
        "version": in_force.version,
        "before": in_force.before,
        "code_version": facts.as_ref().map(|facts| &facts.code_version),
        "summary": facts.as_ref().map(|facts| &facts.summary),
        "config": facts.as_ref().map(|facts| &facts.config.json),
        "fuel_ms": facts.as_ref().map(|facts| facts.config.fuel_ms),
        "added_at_ms": facts.as_ref().map(|facts| facts.added_at_ms),
        "added_by": facts.as_ref().map(|facts| &facts.added_by),
        "calls": record.calls,
        "faults": record.faults,
        "skipped": record.skipped,
        "took_us": u64::try_from(record.took.as_micros()).unwrap_or(u64::MAX),
        "last_fault": record.last_fault,
    })
}
