//! `longhouse init`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::config;
use crate::control::Operator;
use crate::home::Home;
use crate::http::NewAgentBody;

/// The agent that exists from the start.
pub(super) const ADMIN: &str = "admin";

#[derive(Debug, Args)]
pub(super) struct Init {
    /// The project's directory.
    dir: PathBuf,
}

impl Init {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match prepare(&self.dir).await? {
            Some(token) => println!("{token}"),
            None => eprintln!("{} is prepared already; nothing was changed", self.dir.display()),
        }
        Ok(())
    }
}

/// Whether a directory was prepared before.
pub(super) fn is_prepared(home: &Home) -> bool {
    home.database().is_file()
}

/// Makes `.longhouse/` with a configuration, a database and the agent `admin`, whose token is returned; `None`
/// if that was done before.
pub(super) async fn prepare(dir: &Path) -> anyhow::Result<Option<String>> {
    let home = Home::of(dir).with_context(|| format!("cannot use {}", dir.display()))?;
    home.create().with_context(|| format!("cannot make {}", home.dir().display()))?;
    home.write_if_missing("longhouse.toml", config::SAMPLE)?;
    if is_prepared(&home) {
        return Ok(None);
    }
    let operator = Operator::reach(&home).await?;
    let admin = NewAgentBody {
        name: ADMIN.to_owned(),
        role: "admin".to_owned(),
        profile: "full".to_owned(),
        capabilities: Vec::new(),
    };
    let token = operator.add_agent(admin).await;
    operator.close();
    Ok(Some(token?))
}
