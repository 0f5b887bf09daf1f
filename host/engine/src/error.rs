//! What can go wrong with running guests that is not the guest's doing.

use std::path::PathBuf;
use std::time::Duration;

/// A failure of ours, or of whoever set us up.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// More runs want to begin than may run at once. Nothing was started.
    #[error("all {threads} guest threads are in use")]
    Busy {
        /// How many there are.
        threads: u32,
        /// When to ask again.
        retry_after: Duration,
    },
    /// The tool could not be made ready to run.
    #[error("tool {tool} cannot run: {reason}")]
    ToolFailed {
        /// Its name.
        tool: String,
        /// Why, in words for who installed it.
        reason: String,
    },
    /// Two tools provide the same command.
    #[error("tools {first} and {second} both provide the command {command:?}")]
    CommandTwice {
        /// The command.
        command: String,
        /// The tool that was there.
        first: String,
        /// The tool that came.
        second: String,
    },
    /// A tool's manifest is not one.
    #[error("{} is not a tool's manifest", .path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A file or directory of ours cannot be used.
    #[error("cannot use {}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A thread could not be started.
    #[error("could not start a thread")]
    Thread(#[source] std::io::Error),
    /// wasmtime could not be set up.
    #[error("could not set up the WebAssembly engine")]
    Setup(#[source] wasmtime::Error),
}
