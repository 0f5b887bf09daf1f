//! A policy's code, compiled, and its versions.

use std::fmt;

use longhouse_core::PolicyVersion;
use wasmtime::Engine;
use wasmtime::component::InstancePre;

use super::bindings::admission::AdmissionPre;
use super::bindings::conflict::ConflictPre;
use super::bindings::ranker::RankerPre;
use super::bindings::scheduler::SchedulerPre;
use super::instance::{PolicyInstance, PolicyState};
use super::{PolicyConfig, PolicyError, World};

/// A policy that can be set up with a configuration. Cheap to clone.
#[derive(Clone)]
pub struct PolicyCode {
    pub(super) engine: Engine,
    pub(super) code: Code,
    world: World,
    hash: blake3::Hash,
    pub(super) fuel: u64,
    /// How much more of it a decision has.
    pub(super) times: u32,
    pub(super) memory: u64,
}

/// What can be called, by world.
#[derive(Clone)]
pub(super) enum Code {
    Ranker(RankerPre<PolicyState>),
    Scheduler(SchedulerPre<PolicyState>),
    Conflict(ConflictPre<PolicyState>),
    Admission(AdmissionPre<PolicyState>),
}

impl Code {
    pub(super) fn new(world: World, pre: InstancePre<PolicyState>) -> wasmtime::Result<Self> {
        Ok(match world {
            World::Ranker => Self::Ranker(RankerPre::new(pre)?),
            World::Scheduler => Self::Scheduler(SchedulerPre::new(pre)?),
            World::Conflict => Self::Conflict(ConflictPre::new(pre)?),
            World::Admission => Self::Admission(AdmissionPre::new(pre)?),
        })
    }
}

impl PolicyCode {
    pub(super) fn new(
        engine: Engine,
        code: Code,
        world: World,
        hash: blake3::Hash,
        config: &PolicyConfig,
    ) -> Self {
        Self { engine, code, world, hash, fuel: config.fuel, times: 1, memory: config.memory }
    }

    /// The same with so many times as much fuel for a decision: another version, because it may decide where this one fails.
    #[must_use]
    pub fn with_fuel(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// What it exports.
    pub const fn world(&self) -> World {
        self.world
    }

    /// What its version is with this configuration.
    pub fn version(&self, config: &str) -> PolicyVersion {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.hash.as_bytes()).update(config.as_bytes());
        if self.times != 1 {
            hasher.update(&self.times.to_le_bytes());
        }
        PolicyVersion::new(hasher.finalize().to_hex().as_str())
    }

    /// An instance that is set up and ready to decide.
    ///
    /// # Errors
    /// When it fails meanwhile, or refuses its configuration.
    pub fn set_up(&self, config: &str) -> Result<PolicyInstance, PolicyError> {
        PolicyInstance::new(self, config)
    }
}

impl fmt::Debug for PolicyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyCode")
            .field("world", &self.world)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}
