//! Who asks: a bearer token, checked in memory before anything else of a request is looked at.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use longhouse_core::{Act, Agent, Keyed, Role, Session, Verb};

use super::{ApiError, extract};
use crate::app::{App, By, Project, agents};

/// A caller who was let in: as whom, and where.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) project: Arc<Project>,
    pub(super) agent: Agent,
    /// The session of its client, if it names one.
    pub(super) session: Option<Session>,
}

impl Caller {
    /// This caller's request, under this key.
    pub(super) fn by(&self, keyed: Option<Keyed>) -> By {
        By { agent: self.agent.name.clone(), keyed }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Put there by `require`; a route without it has no caller to ask for.
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| ApiError::unexpected("a public route asked for its caller"))
    }
}

/// What a route's middleware knows.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) app: Arc<App>,
    pub(super) role: Role,
}

/// Lets a request through to its handler if its token's agent has the route's role.
pub(super) async fn require(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    match admit(&gate, request.method(), request.uri(), request.headers()) {
        Ok(caller) => {
            let (project, agent) = (Arc::clone(&caller.project), caller.agent.name.clone());
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            if let Some((rule, named)) = response.extensions().get().and_then(ApiError::denied) {
                project.refused(agent, Act::File(Verb::Read), rule.to_owned(), named.to_owned());
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

/// What has no route. Below a project, even that is for those with a token.
pub(super) async fn fallback(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> ApiError {
    let gate = Gate { app, role: Role::Observer };
    match project_in(&uri).map(|_| admit(&gate, &method, &uri, &headers)) {
        Some(Err(error)) => error,
        Some(Ok(_)) | None => ApiError::not_found(uri.path()),
    }
}

fn admit(gate: &Gate, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let token = bearer(headers)?;
    let name = project_in(uri).unwrap_or_default();
    let project = name.parse().ok().and_then(|name| gate.app.projects.get(&name));
    let project = project.ok_or_else(|| unknown_project(name))?;
    let directory = project.coordinator.directory();
    let agent = directory.identify(&agents::hash(token), gate.app.clock.now())?;
    if agent.role < gate.role {
        let (name, has, needs) = (&agent.name, agent.role, gate.role);
        let detail = format!("this needs the role {needs}, and {name} has the role {has}");
        project.refused(name.clone(), Act::Call, format!("role: {has}"), format!("{method} {}", uri.path()));
        return Err(
            ApiError::new(StatusCode::FORBIDDEN, "role_too_low", detail).with("needs", needs.as_str())
        );
    }
    let session = extract::header(headers, "Longhouse-Session")?;
    project.touch(&agent.name, session.as_ref(), gate.app.clock.now());
    Ok(Caller { project: Arc::clone(project), agent: agent.clone(), session })
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let missing = |detail: &str| ApiError::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
    let header = headers.get("authorization").ok_or_else(|| missing("send `Authorization: Bearer TOKEN`"))?;
    let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).map(str::trim);
    match token {
        Some(token) if token.starts_with("${") => {
            let detail = format!(
                "the token reads literally {token:?}: the variable was not filled in; set it where your client starts"
            );
            Err(missing(&detail))
        }
        Some(token) if !token.is_empty() => Ok(token),
        Some(_) | None => Err(missing("the Authorization header is not of the form `Bearer TOKEN`")),
    }
}

/// The name of the project in an address below one.
fn project_in(uri: &Uri) -> Option<&str> {
    uri.path().strip_prefix("/v1/projects/")?.split('/').next()
}

fn unknown_project(name: &str) -> ApiError {
    let detail = format!("there is no project {name:?} here; GET /v1/projects lists those there are");
    ApiError::new(StatusCode::NOT_FOUND, "unknown_project", detail)
}
