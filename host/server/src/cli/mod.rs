//! The command line.
//!
//! Exit codes: 0 done, 1 refused or failed (standard error says why), 2 not understood.

mod agent;
mod init;
mod policy;
mod profile;
mod serve;
mod worker;

use clap::{Parser, Subcommand};

/// Many AI coding agents on one live project directory, without losing each other's work.
#[derive(Debug, Parser)]
#[command(name = "longhouse", version)]
pub struct Cli {
    /// What to log, and how much of it, in the syntax of RUST_LOG.
    #[arg(long, env = "LONGHOUSE_LOG", default_value = "info", global = true, hide_env_values = true)]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prepare a directory to be served.
    Init(init::Init),
    /// Serve a directory.
    Serve(serve::Serve),
    /// Add, list and revoke agents.
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// Check profiles, and explain what they decide.
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// Put policies in force, and know beforehand what they would do.
    Policy(policy::Policy),
    #[command(hide = true)]
    CompilePolicy(policy::CompilePolicy),
    Worker(worker::Worker),
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// Whatever kept it from being done, for a person to read.
    pub async fn run(self) -> anyhow::Result<()> {
        crate::telemetry::init(&self.log)?;
        match self.command {
            Command::Init(init) => init.run().await,
            Command::Serve(serve) => serve.run().await,
            Command::Agent(agent) => agent.run().await,
            Command::Profile(profile) => profile.run().await,
            Command::Policy(policy) => policy.run().await,
            Command::CompilePolicy(compile) => compile.run(),
            Command::Worker(worker) => worker.run().await,
        }
    }
}
