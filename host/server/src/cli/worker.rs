//! `longhouse worker`

use std::ffi::OsString;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::client::Client;
use crate::worker::{self, Options, Stop};

/// Claims tasks and starts a program for each.
///
/// The program finds the task as JSON on its standard input, and in its environment LONGHOUSE_URL, LONGHOUSE_TOKEN,
/// LONGHOUSE_SESSION, LONGHOUSE_TASK, LONGHOUSE_FENCE and LONGHOUSE_TITLE. Each line it prints becomes the task's
/// progress; `[3/10] text` says how far it is. Exit code 0 completes the task with the end of its output as the
/// result, 75 gives it back, any other fails it. On SIGTERM no more tasks are claimed and programs may end; on a
/// second one they are stopped and their tasks given back.
#[derive(Debug, Args)]
pub(super) struct Worker {
    /// The program, found as the shell finds it.
    #[arg(long, value_name = "PROGRAM")]
    run: OsString,
    /// What the program is given.
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
    /// The project's address.
    #[arg(long, env = "LONGHOUSE_URL")]
    url: String,
    /// The token of the agent that works. Better in the environment, where other users cannot see it.
    #[arg(long, env = "LONGHOUSE_TOKEN", hide_env_values = true)]
    token: String,
    /// How many tasks at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    slots: u16,
    /// How long a task is kept while the server cannot be reached.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    ttl: Duration,
    /// How long a program has to end once it was asked to.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    grace: Duration,
    /// How often the program is started again because its work failed the task's check.
    #[arg(long, default_value_t = 2)]
    corrections: u32,
    /// End when there is nothing to claim.
    #[arg(long)]
    until_idle: bool,
}

impl Worker {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self { run, arguments, url, token, slots, ttl, grace, corrections, until_idle } = self;
        ensure!(ttl >= Duration::from_secs(1), "--ttl is at least 1s");
        let session = format!("worker-{:016x}", getrandom::u64()?);
        let client = Client::new(&url, token, session)?;
        let stop = Stop::default();
        stop_on_signals(stop.clone())?;
        let options = Options { program: run, arguments, slots, ttl, grace, corrections, until_idle };
        worker::run(client, options, stop).await
    }
}

/// The first signal lets what runs end, the next one stops it.
fn stop_on_signals(stop: Stop) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for (token, what) in [(&stop.drain, "programs may end"), (&stop.abort, "programs are stopped")] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!(what, "told to stop");
            token.cancel();
        }
    });
    Ok(())
}
