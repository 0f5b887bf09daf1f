//! What is stored of agents at work.

use super::{Cooldown, Standing, Usage};
use crate::{AgentName, ProviderName, TaskId};

/// A change to what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrewRow {
    /// This agent stands like this.
    Put(AgentName, Box<Standing>),
    /// Nothing is known of it.
    Delete(AgentName),
    /// The project used so much.
    SetUsage(Usage),
    /// This provider is to be left alone.
    PutCooldown(Box<Cooldown>),
    /// It need not be.
    DeleteCooldown(ProviderName),
}

/// What decisions need of what is stored.
#[derive(Debug, Clone, Default)]
pub struct CrewSeed {
    /// How agents stand.
    pub standings: Vec<(AgentName, Standing)>,
    /// What the project used.
    pub usage: Usage,
    /// The last task that agents completed, as far as it is remembered.
    pub completed: Vec<(AgentName, TaskId)>,
    /// Providers that are to be left alone.
    pub cooldowns: Vec<Cooldown>,
}
