//! `longhouse serve`

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use longhouse_core::Caller;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::init::{ADMIN, is_prepared, prepare};
use crate::app::{Project, agents};
use crate::home::Home;
use crate::serve::{ServeConfig, Server};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The project's directory; prepared first if it was not.
    dir: PathBuf,
    /// Where to listen. Port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:7420")]
    listen: SocketAddr,
    /// The directory of built guests; its `tools` are what agents run, its `policies` can be put in force.
    #[arg(long, value_name = "DIR", env = "LONGHOUSE_PLUGINS_DIR")]
    plugins: Option<PathBuf>,
    /// One more directory of tools; may be given several times.
    #[arg(long, value_name = "DIR")]
    tools: Vec<PathBuf>,
    /// The directory of policies that can be put in force by their names, if not that of the plugins.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Where compiled tools are kept: a directory of this user's alone.
    #[arg(long, env = "LONGHOUSE_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// Mint a token for `admin` that lasts this long, and print it with a first call to try.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    print_token: Option<Duration>,
}

impl Serve {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let home = Home::of(&self.dir).with_context(|| format!("cannot use {}", self.dir.display()))?;
        if !is_prepared(&home)
            && let Some(token) = prepare(&self.dir).await?
        {
            hand_over(&home, &token)?;
        }
        let cache_dir = Some(self.cache_dir.unwrap_or_else(|| home.dir().join("compiled")));
        let shipped =
            || self.plugins.as_ref().map(|plugins| plugins.join("policies")).filter(|dir| dir.is_dir());
        let policies = self.policies.clone().or_else(shipped);
        let tools = tool_directories(self.plugins, self.tools)?;
        let server = Server::open(ServeConfig { home, tools, policies, cache_dir })?;
        let listener = TcpListener::bind(self.listen)
            .await
            .with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = listener.local_addr()?;
        println!("listening on http://{address}");
        if let Some(lifetime) = self.print_token {
            print_first_call(&server, address, lifetime).await?;
        }
        std::io::stdout().flush()?;

        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        let reload = reload_on_hangup(Arc::clone(server.project()))?;
        Ok(server.serve(listener, reload, shutdown).await?)
    }
}

/// Where to look for tools. Without any, the server can be looked at, but runs nothing.
fn tool_directories(plugins: Option<PathBuf>, mut tools: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    match plugins {
        Some(plugins) => {
            let dir = plugins.join("tools");
            anyhow::ensure!(
                dir.is_dir(),
                "there are no tools in {}; `make guests` builds them",
                plugins.display()
            );
            tools.insert(0, dir);
        }
        None if tools.is_empty() => {
            tracing::warn!("no tools: build them with `make guests`, then say --plugins target/guests");
        }
        None => {}
    }
    Ok(tools)
}

/// Gives the admin's token to whoever started the server: on the terminal, or in a file only they can read.
fn hand_over(home: &Home, token: &str) -> anyhow::Result<()> {
    if std::io::stderr().is_terminal() {
        eprintln!("the token of the agent admin, shown only now:\n{token}");
    } else {
        home.write_if_missing("admin.token", &format!("{token}\n"))?;
    }
    Ok(())
}

async fn print_first_call(server: &Server, address: SocketAddr, lifetime: Duration) -> anyhow::Result<()> {
    let project = server.project();
    let now = server.app().clock.now();
    let token = agents::mint(&project.coordinator, Caller::Operator, ADMIN.parse()?, now, lifetime).await?;
    println!(
        "\nA token for {}, and a first call:\n\n\
         export LONGHOUSE_URL=http://{address}/v1/projects/{}\n\
         export LONGHOUSE_TOKEN={}\n\n\
         curl -sS \"$LONGHOUSE_URL/runs\" -H \"Authorization: Bearer $LONGHOUSE_TOKEN\" \\\n  \
         -d '{{\"command\": \"ls -l | head\"}}'\n",
        humantime::format_duration(lifetime),
        project.name,
        token.as_str(),
    );
    Ok(())
}

/// Never ends: reloads the profiles whenever the process gets SIGHUP.
fn reload_on_hangup(project: Arc<Project>) -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            match project.reload().await {
                Ok(()) => tracing::info!("the configuration was reloaded"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "the configuration was not reloaded; the old one stays in force");
                }
            }
        }
        std::future::pending().await
    })
}
