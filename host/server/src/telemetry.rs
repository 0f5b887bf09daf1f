//! The log.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Sends the log to standard error; `filter` is in the syntax of `RUST_LOG`.
///
/// # Errors
/// When `filter` is not in that syntax.
pub fn init(filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(filter)?;
    // A second initialisation in one process keeps the first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init();
    Ok(())
}
