//! `/admin`, and the same for the operator.

use axum::Json;
use axum::http::StatusCode;
use longhouse_core::{Agent, AgentName, InvalidId};
use longhouse_store::Coordinator;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::auth::Caller;
use super::extract::{InPath, JsonBody};
use crate::app::agents::{self, AgentSpec};

/// An agent to be added, as a body.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewAgentBody {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// What it may touch and spend.
    pub profile: String,
    #[serde(default)]
    /// Skills it advertises.
    pub capabilities: Vec<String>,
}

/// An agent with its new token.
#[derive(Debug, Deserialize, Serialize)]
pub struct AddedBody {
    /// Its name.
    pub name: String,
    /// Shown only now.
    pub token: String,
}

/// An agent.
#[derive(Debug, Deserialize, Serialize)]
pub struct AgentBody {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// What it may touch and spend.
    pub profile: String,
    /// Skills it advertises.
    pub capabilities: Vec<String>,
}

/// All agents.
#[derive(Debug, Deserialize, Serialize)]
pub struct AgentsBody {
    /// By name.
    pub agents: Vec<AgentBody>,
}

impl AgentBody {
    /// The body of an agent.
    pub fn of(agent: &Agent) -> Self {
        let Agent { name, role, profile, capabilities } = agent;
        Self {
            name: name.to_string(),
            role: role.to_string(),
            profile: profile.to_string(),
            capabilities: capabilities.iter().map(ToString::to_string).collect(),
        }
    }
}

impl NewAgentBody {
    pub(crate) fn validate(self) -> Result<AgentSpec, ApiError> {
        Ok(AgentSpec {
            name: self.name.parse().map_err(|error| ApiError::invalid("name", error))?,
            role: self.role.parse().map_err(|error| ApiError::invalid("role", error))?,
            profile: self.profile.parse().map_err(|error| ApiError::invalid("profile", error))?,
            capabilities: self
                .capabilities
                .iter()
                .map(|capability| capability.parse())
                .collect::<Result<_, _>>()
                .map_err(|error: InvalidId| ApiError::invalid("capabilities", error))?,
        })
    }
}

/// `GET /admin/agents`
pub(super) async fn list(Caller { project, .. }: Caller) -> Json<AgentsBody> {
    list_for(&project.coordinator)
}

/// `POST /admin/agents`
pub(super) async fn add(
    Caller { project, agent, .. }: Caller,
    JsonBody(body): JsonBody<NewAgentBody>,
) -> Result<(StatusCode, Json<AddedBody>), ApiError> {
    add_for(&project.coordinator, longhouse_core::Caller::Agent(agent.name), body).await
}

/// `DELETE /admin/agents/{name}`
pub(super) async fn remove(
    Caller { project, agent, .. }: Caller,
    InPath(name): InPath,
) -> Result<StatusCode, ApiError> {
    remove_for(&project.coordinator, longhouse_core::Caller::Agent(agent.name), &name).await
}

/// The operator's routes.
pub(super) mod operator {
    use std::sync::Arc;

    use axum::extract::{Path, State};
    use longhouse_core::Caller;

    use super::*;
    use crate::app::Project;

    pub(in crate::http) async fn list(State(project): State<Arc<Project>>) -> Json<AgentsBody> {
        list_for(&project.coordinator)
    }

    pub(in crate::http) async fn add(
        State(project): State<Arc<Project>>,
        JsonBody(body): JsonBody<NewAgentBody>,
    ) -> Result<(StatusCode, Json<AddedBody>), ApiError> {
        add_for(&project.coordinator, Caller::Operator, body).await
    }

    pub(in crate::http) async fn remove(
        State(project): State<Arc<Project>>,
        Path(name): Path<String>,
    ) -> Result<StatusCode, ApiError> {
        remove_for(&project.coordinator, Caller::Operator, &name).await
    }
}

fn list_for(coordinator: &Coordinator) -> Json<AgentsBody> {
    Json(AgentsBody { agents: agents::list(coordinator).iter().map(AgentBody::of).collect() })
}

async fn add_for(
    coordinator: &Coordinator,
    caller: longhouse_core::Caller,
    body: NewAgentBody,
) -> Result<(StatusCode, Json<AddedBody>), ApiError> {
    let spec = body.validate()?;
    let name = spec.name.to_string();
    let token = agents::add(coordinator, caller, spec).await?.as_str().to_owned();
    Ok((StatusCode::CREATED, Json(AddedBody { name, token })))
}

async fn remove_for(
    coordinator: &Coordinator,
    caller: longhouse_core::Caller,
    name: &str,
) -> Result<StatusCode, ApiError> {
    let name: AgentName = name.parse()?;
    agents::remove(coordinator, caller, name).await?;
    Ok(StatusCode::NO_CONTENT)
}
