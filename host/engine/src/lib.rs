//! Guests: the only crate that runs WebAssembly.
//!
//! An [`Engine`] knows the tools, compiles each once, and runs them, one by one or as a command line says: one store per
//! program, on a thread of its own, within limits of the run that are all on by default. A guest's failure is an [`Outcome`](longhouse_core::Outcome);
//! only our own is an [`EngineError`].

mod cache;
mod command;
mod compile;
mod componentize;
mod config;
mod engine;
mod error;
mod filesystem;
mod handle;
mod limits;
mod linker;
mod manifest;
mod mounts;
mod outcome;
mod output;
pub mod policy;
mod run;
mod run_state;
mod stop;
#[cfg(test)]
mod tests;
mod threads;
mod ticker;
mod tools;

pub use command::CommandRef;
pub use componentize::{ComponentizeError, componentize};
pub use config::EngineConfig;
pub use engine::{Engine, RunSpec};
pub use error::EngineError;
pub use handle::{Finished, RunHandle};
pub use output::OutputLog;
pub use tools::{Readiness, ToolInfo, ToolRef, ToolState};
