//! `longhouse agent`

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use crate::control::Operator;
use crate::home::Home;
use crate::http::{AgentBody, NewAgentBody};

#[derive(Debug, Subcommand)]
pub(super) enum AgentCommand {
    /// Add an agent; prints its token, which is shown only once.
    Add(Add),
    /// List the agents.
    List(List),
    /// Remove an agent and its tokens, and stop its runs.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Its name.
    name: String,
    /// What it may do: observer, worker, coordinator or admin.
    #[arg(long)]
    role: String,
    /// What it may touch and spend: a profile of the configuration.
    #[arg(long)]
    profile: String,
    /// Skills it advertises.
    #[arg(long = "capability", value_delimiter = ',')]
    capabilities: Vec<String>,
    /// The project's directory.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// One JSON object a line, for programs.
    #[arg(long)]
    json: bool,
    /// The project's directory.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// Its name.
    name: String,
    /// The project's directory.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

impl AgentCommand {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Add(add) => add.run().await,
            Self::List(list) => list.run().await,
            Self::Revoke(revoke) => revoke.run().await,
        }
    }
}

impl Add {
    async fn run(self) -> anyhow::Result<()> {
        let operator = reach(&self.dir).await?;
        let Self { name, role, profile, capabilities, dir: _ } = self;
        let token = operator.add_agent(NewAgentBody { name, role, profile, capabilities }).await;
        operator.close();
        println!("{}", token?);
        Ok(())
    }
}

impl List {
    async fn run(self) -> anyhow::Result<()> {
        let operator = reach(&self.dir).await?;
        let agents = operator.agents().await;
        operator.close();
        let agents = agents?;
        if !self.json {
            println!("{:<24} {:<12} {:<16} CAPABILITIES", "NAME", "ROLE", "PROFILE");
        }
        for agent in &agents {
            if self.json {
                println!("{}", serde_json::to_string(agent)?);
            } else {
                let AgentBody { name, role, profile, capabilities } = agent;
                println!("{name:<24} {role:<12} {profile:<16} {}", capabilities.join(","));
            }
        }
        Ok(())
    }
}

impl Revoke {
    async fn run(self) -> anyhow::Result<()> {
        let name = self.name.parse()?;
        let operator = reach(&self.dir).await?;
        let revoked = operator.revoke(name).await;
        operator.close();
        Ok(revoked?)
    }
}

async fn reach(dir: &std::path::Path) -> anyhow::Result<Operator> {
    let home = Home::of(dir).with_context(|| format!("cannot use {}", dir.display()))?;
    Ok(Operator::reach(&home).await?)
}
