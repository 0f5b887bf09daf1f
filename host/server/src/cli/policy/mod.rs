//! `longhouse policy`

mod table;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::{Args, Subcommand};
use longhouse_core::PolicyKind;
use longhouse_engine::policy::Apart;
use longhouse_store::{Clock as _, SystemClock};
use serde_json::{Map, Value, json};

use crate::app::rehearsal::{Replayed, ShadowFacts};
use crate::client::Client;

/// Put policies in force, and know beforehand what they would do.
#[derive(Debug, Args)]
pub(super) struct Policy {
    /// The project's address.
    #[arg(long, env = "LONGHOUSE_URL", global = true, default_value = "")]
    url: String,
    /// The token of an admin. Better in the environment, where other users cannot see it.
    #[arg(long, env = "LONGHOUSE_TOKEN", hide_env_values = true, global = true, default_value = "")]
    token: String,
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Show what decides, and how it fares.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put a policy in force.
    Set(Candidate),
    /// Go back to what decided before.
    Rollback {
        /// What it decides: scheduler, conflict or admission.
        kind: PolicyKind,
    },
    /// Show what a policy would have done with what happened.
    Replay {
        #[command(flatten)]
        candidate: Candidate,
        /// From how long ago on.
        #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
        since: Duration,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have a policy follow what happens and say what it would have done; without one, show what it said so far.
    Shadow {
        /// What it decides: scheduler, conflict or admission.
        kind: PolicyKind,
        /// One that ships with the server, or a component's file.
        policy: Option<String>,
        /// What it is configured with: a JSON object.
        #[arg(long, value_parser = object, requires = "policy")]
        config: Option<Map<String, Value>>,
        /// End it.
        #[arg(long, conflicts_with = "policy")]
        stop: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Compiles a policy for a server that is not to be kept from its work by that.
#[derive(Debug, Args)]
pub(super) struct CompilePolicy {
    /// Where what comes of it goes.
    #[arg(long)]
    cache: PathBuf,
    /// How long this may compute, in seconds.
    #[arg(long)]
    cpu_s: u64,
    /// How much memory this may have, in bytes.
    #[arg(long)]
    memory: u64,
}

impl CompilePolicy {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut component = Vec::new();
        std::io::stdin().read_to_end(&mut component)?;
        Ok(Apart::compile_here(self.cache, self.cpu_s, self.memory, &component)?)
    }
}

/// A policy that may come to decide.
#[derive(Debug, Args)]
struct Candidate {
    /// What it decides: scheduler, conflict or admission.
    kind: PolicyKind,
    /// One that ships with the server, `host` for the host itself, a component's file (NAME.wasm), or a version that was in
    /// force before.
    policy: String,
    /// What it is configured with: a JSON object.
    #[arg(long, value_parser = object)]
    config: Option<Map<String, Value>>,
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

impl Policy {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let Self { url, token, command } = self;
        anyhow::ensure!(
            !url.is_empty() && !token.is_empty(),
            "say which project and who asks: --url and --token, or LONGHOUSE_URL and LONGHOUSE_TOKEN"
        );
        let client = Client::new(&url, token, format!("policy-{:016x}", getrandom::u64()?))?;
        let text = match command {
            PolicyCommand::List { json } => {
                let found: Value = client.get("/policies").await?;
                if json { pretty(&found)? } else { table::listed(&found) }
            }
            PolicyCommand::Set(candidate) => {
                let (path, form) = (format!("/policies/{}", candidate.kind), candidate.form()?);
                let set: Value = client.put(&path, &form).await?;
                in_force(&set)
            }
            PolicyCommand::Rollback { kind } => in_force(
                &client.post::<Value>(&format!("/policies/{kind}/rollback"), &json!({}), None).await?,
            ),
            PolicyCommand::Replay { candidate, since, json } => {
                let (path, mut form) = (format!("/policies/{}/replay", candidate.kind), candidate.form()?);
                form.insert("since_ms".to_owned(), json!(ago(since)));
                let replayed: Replayed = client.post(&path, &form, None).await?;
                if json { pretty(&replayed)? } else { table::replayed(&replayed) }
            }
            PolicyCommand::Shadow { kind, policy, config, stop, json } => {
                let path = format!("/policies/{kind}/shadow");
                let facts: ShadowFacts = match policy {
                    Some(policy) => {
                        client.post(&path, &Candidate { kind, policy, config }.form()?, None).await?
                    }
                    None if stop => client.delete(&path).await?,
                    None => client.get(&path).await?,
                };
                if json { pretty(&facts)? } else { table::shadow(&facts) }
            }
        };
        // Whoever reads may have seen enough.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(())
    }
}

impl Candidate {
    /// As the API takes it.
    fn form(self) -> anyhow::Result<Map<String, Value>> {
        let Self { kind: _, policy, config } = self;
        let is_version = policy.len() == VERSION && policy.chars().all(|c| c.is_ascii_hexdigit());
        let mut form = Map::new();
        if policy.ends_with(".wasm") {
            form.insert("component".to_owned(), json!(BASE64_STANDARD.encode(read(policy.into())?)));
        } else {
            form.insert(if is_version { "version" } else { "policy" }.to_owned(), json!(policy));
        }
        form.extend(config.map(|config| ("config".to_owned(), Value::Object(config))));
        Ok(form)
    }
}

/// How many digits a version has.
const VERSION: usize = 64;

#[expect(clippy::disallowed_methods, reason = "what a user names on the command line is no project's")]
fn read(path: PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn ago(duration: Duration) -> u64 {
    SystemClock::default().now().minus(duration).as_millis()
}

fn pretty(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn in_force(answer: &Value) -> String {
    let kind = answer["kind"].as_str().unwrap_or_default();
    let decides = match answer["version"].as_str() {
        Some(version) => format!("{kind}: {version} decides\n"),
        None => format!("{kind}: the host decides\n"),
    };
    let printed = answer["printed"].as_str().unwrap_or_default().lines();
    printed.fold(decides, |text, line| text + "| " + line + "\n")
}
