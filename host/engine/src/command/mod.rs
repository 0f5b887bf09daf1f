//! The programs of a run: one, or as many as a command line starts.
//!
//! A run has one view of the project, one change set, one set of limits and one output, whatever it is made of. Every
//! program is an instance of its own, on a thread of its own while others of the run wait for it or run beside it; they
//! are connected by the streams of `longhouse-shell`.

mod capture;
mod find;
mod machine;
mod open_file;
mod pipe;
mod process;
mod programs;
mod shell;
mod stdio;

use find::Command;
pub use find::CommandRef;
pub(crate) use process::{HasProcess, Process, add_to_linker};
pub(crate) use programs::{AT_ONCE, Begins, Programs, Started};
pub(crate) use shell::outcome as run_shell;
pub(crate) use stdio::{BrokenPipe, Given, LogSink, Nothing, Stdin, Stdout};
