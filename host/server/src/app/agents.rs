//! Agents and their tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use longhouse_core::{
    Agent, AgentName, Caller, Capability, Command, NewAgent, ProfileName, Reply, Role, Timestamp, TokenHash,
};
use longhouse_store::Coordinator;
use sha2::{Digest as _, Sha256};

use super::AppError;

/// What tokens begin with, so that people and scanners recognise them.
const PREFIX: &str = "lh_";

/// An agent to be added.
#[derive(Debug, Clone)]
pub struct AgentSpec {
    /// Must not be taken.
    pub name: AgentName,
    /// What it may do.
    pub role: Role,
    /// Must be defined.
    pub profile: ProfileName,
    /// Skills it advertises.
    pub capabilities: Vec<Capability>,
}

/// A bearer token: 256 random bits. Shown once, stored only as its hash.
pub struct NewToken(String);

impl NewToken {
    /// The text that its bearer sends.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn generate() -> Result<Self, AppError> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits).map_err(|_| AppError::NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits))))
    }
}

/// What the store knows a token by.
pub fn hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.as_bytes()).into())
}

/// Adds an agent and returns its token.
///
/// # Errors
/// When the name is taken, the profile is not defined, or the caller may not.
pub async fn add(coordinator: &Coordinator, caller: Caller, spec: AgentSpec) -> Result<NewToken, AppError> {
    let token = NewToken::generate()?;
    let AgentSpec { name, role, profile, capabilities } = spec;
    let new = NewAgent { name, role, profile, capabilities, token: hash(token.as_str()) };
    done(coordinator, caller, Command::AddAgent(new)).await?;
    Ok(token)
}

/// Gives an agent a token that ends after `lifetime`.
///
/// # Errors
/// When there is no such agent, or the caller may not.
pub async fn mint(
    coordinator: &Coordinator,
    caller: Caller,
    agent: AgentName,
    now: Timestamp,
    lifetime: Duration,
) -> Result<NewToken, AppError> {
    let token = NewToken::generate()?;
    let expires_at = Some(now.plus(lifetime));
    let command = Command::MintToken { agent, hash: hash(token.as_str()), expires_at };
    done(coordinator, caller, command).await?;
    Ok(token)
}

/// Removes an agent with its tokens, and stops its runs.
///
/// # Errors
/// When there is no such agent, or the caller may not.
pub async fn remove(coordinator: &Coordinator, caller: Caller, name: AgentName) -> Result<(), AppError> {
    done(coordinator, caller, Command::RemoveAgent(name)).await
}

/// All agents, by name.
pub fn list(coordinator: &Coordinator) -> Vec<Agent> {
    let mut agents: Vec<Agent> = coordinator.directory().agents().cloned().collect();
    agents.sort_by(|a, b| a.name.cmp(&b.name));
    agents
}

async fn done(coordinator: &Coordinator, caller: Caller, command: Command) -> Result<(), AppError> {
    match coordinator.submit(caller, command).await? {
        Reply::Done => Ok(()),
        Reply::Refused(refusal) => Err(refusal.into()),
        Reply::RunStarted(_)
        | Reply::RunIsLive(_)
        | Reply::RunIsNotLive(_)
        | Reply::Task(_)
        | Reply::Queue(_)
        | Reply::Talk(_) => Err(AppError::Confused),
    }
}
