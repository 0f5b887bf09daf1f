//! What can be done, whoever asks and however: HTTP, the control socket and the command line call these
//! functions and have no rules of their own.

pub mod agents;
mod error;
pub mod files;
mod live;
mod project;
pub mod runs;

pub use error::AppError;
pub use live::{LiveRuns, Phase};
pub use project::{App, OpenError, Project};
