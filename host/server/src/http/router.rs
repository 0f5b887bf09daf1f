//! All routes there are.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use longhouse_core::Role;
use tower_http::catch_panic::CatchPanicLayer;

use super::auth::{self, Gate};
use super::request::{self, RequestIds};
use super::{
    ApiError, admin, audit, brief, changes, commits, crew, events, files, locks, messages, policies,
    progress, queue, runs, search, server, shared, tasks,
};
use crate::app::{App, Project};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anybody.
    Nothing,
    /// An agent of the project with at least this role.
    Role(Role),
}

/// One route.
struct Route {
    method: Method,
    path: &'static str,
    needs: Needs,
    handler: MethodRouter<Arc<App>>,
}

fn routes() -> Vec<Route> {
    let project = |method, path, role, handler| Route { method, path, needs: Needs::Role(role), handler };
    let public = |method, path, handler| Route { method, path, needs: Needs::Nothing, handler };
    vec![
        public(Method::GET, "/healthz", get(server::healthz)),
        public(Method::GET, "/readyz", get(server::readyz)),
        public(Method::GET, "/v1/projects", get(server::projects)),
        project(Method::GET, "/v1/projects/{project}/tools", Role::Observer, get(server::tools)),
        project(Method::GET, "/v1/projects/{project}/files/{*path}", Role::Observer, get(files::read)),
        project(Method::PUT, "/v1/projects/{project}/files/{*path}", Role::Worker, put(changes::put)),
        project(
            Method::DELETE,
            "/v1/projects/{project}/files/{*path}",
            Role::Worker,
            delete(changes::delete),
        ),
        project(Method::POST, "/v1/projects/{project}/fs/write", Role::Worker, post(changes::write)),
        project(Method::POST, "/v1/projects/{project}/fs/edit", Role::Worker, post(changes::edit)),
        project(Method::POST, "/v1/projects/{project}/fs/move", Role::Worker, post(changes::rename)),
        project(Method::POST, "/v1/projects/{project}/fs/delete", Role::Worker, post(changes::remove)),
        project(Method::POST, "/v1/projects/{project}/fs/mkdir", Role::Worker, post(changes::make_directory)),
        project(Method::POST, "/v1/projects/{project}/fs/rescan", Role::Worker, post(changes::rescan)),
        project(Method::GET, "/v1/projects/{project}/commits", Role::Observer, get(commits::list)),
        project(Method::GET, "/v1/projects/{project}/commits/{number}", Role::Observer, get(commits::find)),
        project(
            Method::GET,
            "/v1/projects/{project}/commits/{number}/files/{*path}",
            Role::Observer,
            get(commits::read),
        ),
        project(
            Method::POST,
            "/v1/projects/{project}/commits/{number}/revert",
            Role::Worker,
            post(commits::revert),
        ),
        project(Method::POST, "/v1/projects/{project}/revert", Role::Worker, post(commits::revert_several)),
        project(Method::GET, "/v1/projects/{project}/fs/list", Role::Observer, get(files::list)),
        project(Method::GET, "/v1/projects/{project}/fs/archive", Role::Observer, get(files::archive)),
        project(Method::GET, "/v1/projects/{project}/fs/stat", Role::Observer, get(files::stat)),
        project(Method::POST, "/v1/projects/{project}/fs/read", Role::Observer, post(files::read_lines)),
        project(Method::POST, "/v1/projects/{project}/fs/glob", Role::Observer, post(search::glob)),
        project(Method::POST, "/v1/projects/{project}/fs/grep", Role::Observer, post(search::grep)),
        project(Method::POST, "/v1/projects/{project}/runs", Role::Worker, post(runs::start)),
        project(Method::GET, "/v1/projects/{project}/runs", Role::Observer, get(runs::list)),
        project(Method::GET, "/v1/projects/{project}/runs/{id}", Role::Observer, get(runs::find)),
        project(Method::GET, "/v1/projects/{project}/runs/{id}/output", Role::Observer, get(runs::output)),
        project(Method::GET, "/v1/projects/{project}/runs/{id}/diff", Role::Worker, get(runs::differences)),
        project(Method::POST, "/v1/projects/{project}/runs/{id}/kill", Role::Worker, post(runs::kill)),
        project(Method::POST, "/v1/projects/{project}/runs/{id}/commit", Role::Worker, post(runs::commit)),
        project(Method::POST, "/v1/projects/{project}/runs/{id}/rebase", Role::Worker, post(runs::rebase)),
        project(Method::POST, "/v1/projects/{project}/runs/{id}/discard", Role::Worker, post(runs::discard)),
        project(Method::POST, "/v1/projects/{project}/tasks", Role::Worker, post(tasks::create)),
        project(Method::GET, "/v1/projects/{project}/tasks", Role::Observer, get(tasks::list)),
        project(Method::POST, "/v1/projects/{project}/tasks/claim", Role::Worker, post(tasks::claim)),
        project(Method::GET, "/v1/projects/{project}/tasks/{id}", Role::Observer, get(tasks::find)),
        project(Method::PATCH, "/v1/projects/{project}/tasks/{id}", Role::Worker, patch(tasks::change)),
        project(Method::POST, "/v1/projects/{project}/tasks/{id}/renew", Role::Worker, post(tasks::renew)),
        project(
            Method::POST,
            "/v1/projects/{project}/tasks/{id}/progress",
            Role::Worker,
            post(tasks::progress),
        ),
        project(
            Method::POST,
            "/v1/projects/{project}/tasks/{id}/complete",
            Role::Worker,
            post(tasks::complete),
        ),
        project(
            Method::POST,
            "/v1/projects/{project}/tasks/{id}/submit",
            Role::Worker,
            post(tasks::complete),
        ),
        project(Method::POST, "/v1/projects/{project}/tasks/{id}/fail", Role::Worker, post(tasks::fail)),
        project(
            Method::POST,
            "/v1/projects/{project}/tasks/{id}/release",
            Role::Worker,
            post(tasks::release),
        ),
        project(Method::POST, "/v1/projects/{project}/tasks/{id}/ask", Role::Worker, post(tasks::ask)),
        project(Method::POST, "/v1/projects/{project}/tasks/{id}/answer", Role::Worker, post(tasks::answer)),
        project(Method::POST, "/v1/projects/{project}/tasks/{id}/cancel", Role::Worker, post(tasks::cancel)),
        project(Method::POST, "/v1/projects/{project}/tasks/{id}/retry", Role::Worker, post(tasks::retry)),
        project(Method::GET, "/v1/projects/{project}/tasks/{id}/why", Role::Observer, get(tasks::why)),
        project(Method::GET, "/v1/projects/{project}/policies", Role::Observer, get(policies::list)),
        project(Method::PUT, "/v1/projects/{project}/policies/{kind}", Role::Admin, put(policies::set)),
        project(
            Method::POST,
            "/v1/projects/{project}/policies/{kind}/rollback",
            Role::Admin,
            post(policies::roll_back),
        ),
        project(
            Method::POST,
            "/v1/projects/{project}/policies/{kind}/replay",
            Role::Admin,
            post(policies::replay),
        ),
        project(
            Method::POST,
            "/v1/projects/{project}/policies/{kind}/shadow",
            Role::Admin,
            post(policies::shadow),
        ),
        project(
            Method::GET,
            "/v1/projects/{project}/policies/{kind}/shadow",
            Role::Admin,
            get(policies::find_shadow),
        ),
        project(
            Method::DELETE,
            "/v1/projects/{project}/policies/{kind}/shadow",
            Role::Admin,
            delete(policies::end_shadow),
        ),
        project(Method::GET, "/v1/projects/{project}/queue", Role::Observer, get(queue::find)),
        project(Method::POST, "/v1/projects/{project}/queue/pause", Role::Coordinator, post(queue::pause)),
        project(Method::POST, "/v1/projects/{project}/queue/resume", Role::Coordinator, post(queue::resume)),
        project(Method::GET, "/v1/projects/{project}/queue/limits", Role::Observer, get(queue::limits)),
        project(
            Method::PUT,
            "/v1/projects/{project}/queue/limits",
            Role::Coordinator,
            put(queue::set_limits),
        ),
        project(Method::POST, "/v1/projects/{project}/locks", Role::Worker, post(locks::take)),
        project(Method::GET, "/v1/projects/{project}/locks", Role::Observer, get(locks::list)),
        project(Method::POST, "/v1/projects/{project}/locks/{id}/renew", Role::Worker, post(locks::renew)),
        project(
            Method::POST,
            "/v1/projects/{project}/locks/{id}/break",
            Role::Coordinator,
            post(locks::break_lock),
        ),
        project(Method::DELETE, "/v1/projects/{project}/locks/{id}", Role::Worker, delete(locks::release)),
        project(Method::GET, "/v1/projects/{project}/agents", Role::Observer, get(crew::list)),
        project(Method::GET, "/v1/projects/{project}/agents/{name}", Role::Observer, get(crew::find)),
        project(
            Method::POST,
            "/v1/projects/{project}/agents/me/heartbeat",
            Role::Observer,
            post(crew::heartbeat),
        ),
        project(Method::POST, "/v1/projects/{project}/agents/me/backoff", Role::Worker, post(crew::backoff)),
        project(Method::POST, "/v1/projects/{project}/agents/me/usage", Role::Worker, post(crew::usage)),
        project(Method::POST, "/v1/projects/{project}/agents/me/leave", Role::Observer, post(crew::leave)),
        project(
            Method::POST,
            "/v1/projects/{project}/agents/{name}/interrupt",
            Role::Coordinator,
            post(crew::interrupt),
        ),
        project(Method::GET, "/v1/projects/{project}/brief", Role::Observer, get(brief::read)),
        project(Method::GET, "/v1/projects/{project}/events", Role::Observer, get(events::read)),
        project(
            Method::GET,
            "/v1/projects/{project}/classic/task-queue.json",
            Role::Observer,
            get(tasks::classic),
        ),
        project(
            Method::GET,
            "/v1/projects/{project}/classic/worker-status.json",
            Role::Observer,
            get(crew::classic),
        ),
        project(Method::GET, "/v1/projects/{project}/audit", Role::Admin, get(audit::list)),
        project(Method::GET, "/v1/projects/{project}/admin/agents", Role::Admin, get(admin::list)),
        project(Method::POST, "/v1/projects/{project}/admin/agents", Role::Admin, post(admin::add)),
        project(
            Method::DELETE,
            "/v1/projects/{project}/admin/agents/{name}",
            Role::Admin,
            delete(admin::remove),
        ),
        project(Method::POST, "/v1/projects/{project}/messages", Role::Worker, post(messages::send)),
        project(Method::GET, "/v1/projects/{project}/messages", Role::Observer, get(messages::list)),
        project(Method::GET, "/v1/projects/{project}/messages/{id}", Role::Observer, get(messages::find)),
        project(
            Method::POST,
            "/v1/projects/{project}/messages/{id}/ack",
            Role::Observer,
            post(messages::ack),
        ),
        project(Method::GET, "/v1/projects/{project}/inbox", Role::Observer, get(messages::inbox)),
        project(Method::GET, "/v1/projects/{project}/channels", Role::Observer, get(messages::channels)),
        project(Method::PUT, "/v1/projects/{project}/channels/{name}", Role::Observer, put(messages::follow)),
        project(
            Method::DELETE,
            "/v1/projects/{project}/channels/{name}",
            Role::Observer,
            delete(messages::unfollow),
        ),
        project(Method::GET, "/v1/projects/{project}/state", Role::Observer, get(shared::list)),
        project(Method::GET, "/v1/projects/{project}/state/{*path}", Role::Observer, get(shared::find)),
        project(Method::PUT, "/v1/projects/{project}/state/{*path}", Role::Worker, put(shared::set)),
        project(Method::DELETE, "/v1/projects/{project}/state/{*path}", Role::Worker, delete(shared::delete)),
        project(Method::GET, "/v1/projects/{project}/progress", Role::Observer, get(progress::find)),
        project(Method::PUT, "/v1/projects/{project}/progress", Role::Coordinator, put(progress::set)),
        project(
            Method::GET,
            "/v1/projects/{project}/classic/agent-comms.jsonl",
            Role::Observer,
            get(messages::classic),
        ),
        project(
            Method::GET,
            "/v1/projects/{project}/classic/progress.json",
            Role::Observer,
            get(progress::classic),
        ),
    ]
}

/// Method, path and need of every route, for tests and documentation.
pub fn public_routes() -> Vec<(Method, &'static str, Needs)> {
    routes().into_iter().map(|route| (route.method, route.path, route.needs)).collect()
}

/// The API.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for Route { path, needs, handler, method: _ } in routes() {
        let handler = match needs {
            Needs::Nothing => handler,
            Needs::Role(role) => {
                let gate = Gate { app: Arc::clone(&app), role };
                handler.route_layer(from_fn_with_state(gate, auth::require))
            }
        };
        router = router.route(path, handler);
    }
    around(router.fallback(auth::fallback).with_state(app))
}

/// What the operator may do through the control socket of one project: the same functions, with no token,
/// because only the server's own user can open the socket.
pub fn operator_router(project: Arc<Project>) -> Router {
    let router = Router::new()
        .route("/agents", get(admin::operator::list).post(admin::operator::add))
        .route("/agents/{name}", delete(admin::operator::remove));
    around(router.with_state(project))
}

fn around(router: Router) -> Router {
    router
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(request::panicked))
        .layer(from_fn(server::protect))
        .layer(from_fn_with_state(Arc::new(RequestIds::new()), request::around))
}

async fn method_not_allowed(method: Method, uri: axum::http::Uri) -> ApiError {
    let detail = format!("{method} is not possible on {}", uri.path());
    ApiError::new(axum::http::StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
