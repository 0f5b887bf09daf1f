//! What can be done, whoever asks and however: HTTP, the control socket and the command line call these
//! functions and have no rules of their own.

pub mod agents;
pub mod archive;
pub mod audit;
pub mod brief;
pub mod checks;
pub mod commits;
pub mod crew;
mod error;
pub mod events;
pub mod files;
pub mod history;
mod live;
pub mod locks;
pub mod messages;
pub mod news;
pub mod outside;
pub mod policies;
mod presence;
pub mod progress;
mod project;
pub mod publish;
pub mod queue;
pub mod rehearsal;
pub mod retention;
pub mod runs;
pub mod shared;
pub mod tasks;
pub mod undo;
pub mod webhooks;

pub use error::AppError;
pub use live::{LiveRuns, Phase};
pub use project::{App, By, OpenError, Project, read_config};
