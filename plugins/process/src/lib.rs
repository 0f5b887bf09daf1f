//! `std::process` for commands that run in Longhouse: what they start are other commands of the same run.
//!
//! WebAssembly has no processes, but the host runs commands for commands (`wit/tool/process.wit`). This crate has what is used
//! of [`std::process`], so that a program needs another `use` and nothing else. A child runs to its end when it
//! is waited for, or its standard input is closed: what is written to it is kept until then.

mod child;
mod command;
#[cfg(target_arch = "wasm32")]
mod host;
#[cfg(not(target_arch = "wasm32"))]
#[path = "native.rs"]
mod host;

pub use child::{Child, ChildStdin, ChildStdout, ExitStatus, Output};
pub use command::{Command, Stdio};
