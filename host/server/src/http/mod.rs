//! HTTP: one face of `app`. Handlers extract, make one call, and render.

mod admin;
mod audit;
mod auth;
mod brief;
mod changes;
mod commits;
mod crew;
mod crew_body;
mod error;
mod events;
mod extract;
mod files;
mod locks;
mod message_body;
mod messages;
mod policies;
mod progress;
mod queue;
mod request;
mod router;
mod run_body;
mod runs;
mod search;
mod server;
mod shared;
mod task_body;
mod task_form;
mod tasks;

pub use admin::{AddedBody, AgentBody, AgentsBody, NewAgentBody};
pub use error::ApiError;
pub use events::event_text;
pub use router::{Needs, operator_router, public_routes, router};
