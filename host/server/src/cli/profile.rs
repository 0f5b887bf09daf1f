//! `longhouse profile`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use longhouse_core::{FileGrants, Profile, ProfileName, Profiles, ProjectPath, Ruling, Verb};
use longhouse_workspace::{Root, View};
use serde_json::json;

use crate::app::read_config;
use crate::control::Operator;
use crate::home::Home;

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Read the configuration, and say what is wrong with it.
    Check(Check),
    /// Say what an agent may do with a path, and which rule decides it.
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The project's directory.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Whose rights are asked for.
    agent: String,
    /// Which path, from the project's root.
    path: String,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
    /// The project's directory.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

impl ProfileCommand {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Check(check) => check.run().await,
            Self::Explain(explain) => explain.run().await,
        }
    }
}

impl Check {
    async fn run(self) -> anyhow::Result<()> {
        let home = home(&self.dir)?;
        let profiles = read_config(&home)?.profiles;
        for (name, profile) in &profiles {
            println!("{name}: {}", in_a_line(profile));
        }
        let lost: Vec<String> = agents(&home)
            .await?
            .into_iter()
            .filter(|(_, profile)| !profiles.contains_key(profile))
            .map(|(agent, profile)| format!("{agent} has the profile {profile}, which is not defined"))
            .collect();
        if !lost.is_empty() {
            bail!("{}; until it is, nothing is granted", lost.join("; "));
        }
        Ok(())
    }
}

impl Explain {
    async fn run(self) -> anyhow::Result<()> {
        let home = home(&self.dir)?;
        let profiles = read_config(&home)?.profiles;
        let mut agents = agents(&home).await?;
        agents.retain(|(name, _)| *name == self.agent);
        let Some((agent, name)) = agents.pop() else {
            bail!("there is no agent {}; `longhouse agent list` shows those there are", self.agent)
        };
        let grants = grants_of(&profiles, &name)?;
        let asked = ProjectPath::parse(&self.path).with_context(|| format!("{} is no path", self.path))?;
        let root = Arc::new(Root::open(home.project())?);
        let path = View::new(root, Arc::new(FileGrants::everything())).real_path(&asked);
        let path = path.with_context(|| format!("{asked} leads nowhere"))?;
        if self.json {
            let verbs = Verb::ALL.map(|verb| {
                let (granted, rule) = rule(&name, &grants, verb, &path);
                (verb.as_str().to_owned(), json!({ "granted": granted, "rule": rule }))
            });
            let verbs = serde_json::Map::from_iter(verbs);
            let (profile, path) = (name.as_str(), path.as_str());
            println!("{}", json!({ "agent": agent, "profile": profile, "path": path, "verbs": verbs }));
            return Ok(());
        }
        if path != asked {
            println!("{asked} leads to {path}");
        }
        for verb in Verb::ALL {
            let (granted, rule) = rule(&name, &grants, verb, &path);
            println!("{:<8} {:<4} {rule}", verb.as_str(), if granted { "yes" } else { "no" });
        }
        Ok(())
    }
}

/// Whether it is granted, and by which rule.
fn rule(profile: &ProfileName, grants: &FileGrants, verb: Verb, path: &ProjectPath) -> (bool, String) {
    let list = |list: &str| format!("profiles.{profile}.files.{list}");
    match grants.ruling(verb, path) {
        Ruling::Granted(glob) => (true, format!("{:?} in {}", glob.as_str(), list(grants.list(verb)))),
        Ruling::Denied(glob) => (false, format!("{:?} in {}, which hides it", glob.as_str(), list("deny"))),
        Ruling::NotGranted if grants.show_directory(path) || grants.show(path) => {
            (false, format!("nothing in {} names it", list(grants.list(verb))))
        }
        Ruling::NotGranted => {
            (false, format!("nothing in {} names it, and nothing else shows it", list(grants.list(verb))))
        }
    }
}

fn in_a_line(profile: &Profile) -> String {
    let commands = match profile.commands.allow.as_slice() {
        [] => "no command".to_owned(),
        commands if commands.iter().any(|command| command == "*") => "every command".to_owned(),
        commands => commands.join(" "),
    };
    let mut parts = vec![commands];
    for verb in Verb::ALL {
        let globs: Vec<&str> = profile.files.globs(verb).iter().map(|glob| glob.as_str()).collect();
        if !globs.is_empty() {
            parts.push(format!("{} {}", verb.as_str(), globs.join(" ")));
        }
    }
    if !profile.files.deny.is_empty() {
        let globs: Vec<&str> = profile.files.deny.iter().map(|glob| glob.as_str()).collect();
        parts.push(format!("deny {}", globs.join(" ")));
    }
    parts.join("; ")
}

fn grants_of(profiles: &Profiles, name: &ProfileName) -> anyhow::Result<Arc<FileGrants>> {
    let profile = profiles.get(name);
    let profile =
        profile.with_context(|| format!("the profile {name} is not defined; nothing is granted"))?;
    Ok(Arc::clone(&profile.files))
}

fn home(dir: &Path) -> anyhow::Result<Home> {
    Home::of(dir).with_context(|| format!("cannot use {}", dir.display()))
}

/// Names and profiles of all agents, from the running server or from the database.
async fn agents(home: &Home) -> anyhow::Result<Vec<(String, ProfileName)>> {
    let operator = Operator::reach(home).await?;
    let agents = operator.agents().await;
    operator.close();
    agents?.into_iter().map(|agent| Ok((agent.name, agent.profile.parse()?))).collect()
}
