//! The engine of policies: components in, code that can be called out.

use std::path::PathBuf;
use std::sync::Arc;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine};

use super::PolicyError;
use super::apart::Apart;
use super::bindings::Sdk;
use super::code::{Code, PolicyCode};
use super::inspect::inspect;
use super::instance::PolicyState;
use crate::EngineError;
use crate::cache::Cache;

/// How policies are run.
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// Where compiled policies are kept: a directory that nobody else may write. `None` compiles each time.
    pub cache_dir: Option<PathBuf>,
    /// Units of fuel for a decision; an instruction of WebAssembly takes one.
    pub fuel: u64,
    /// Bytes of memory that an instance may have.
    pub memory: u64,
    /// Who compiles policies into the cache; `None` is this process.
    pub apart: Option<Apart>,
}

impl Default for PolicyConfig {
    /// No cache; five million units, which take about a millisecond; 128 MiB; compiled here.
    fn default() -> Self {
        Self { cache_dir: None, fuel: 5_000_000, memory: 128 << 20, apart: None }
    }
}

/// Loads policies. Cheap to clone; one serves all projects of a process.
#[derive(Clone)]
pub struct PolicyEngine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    linker: Linker<PolicyState>,
    cache: Cache,
    config: PolicyConfig,
}

impl PolicyEngine {
    /// Sets it up.
    ///
    /// # Errors
    /// When wasmtime or the cache directory cannot be had.
    pub fn new(config: PolicyConfig) -> Result<Self, EngineError> {
        let mut settings = Config::new();
        settings
            .consume_fuel(true)
            .wasm_backtrace_max_frames(None)
            .concurrency_support(false)
            .wasm_gc(false)
            .gc_support(false);
        let engine = Engine::new(&settings).map_err(EngineError::Setup)?;
        let mut linker = Linker::new(&engine);
        Sdk::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut PolicyState| state)
            .map_err(EngineError::Setup)?;
        let cache = Cache::open(config.cache_dir.clone())?;
        Ok(Self { inner: Arc::new(Inner { engine, linker, cache, config }) })
    }

    /// Makes a component ready to be called. Takes as long as compiling it does, unless it was before.
    ///
    /// # Errors
    /// When it is no policy, or cannot be compiled.
    pub fn load(&self, component: &[u8]) -> Result<PolicyCode, PolicyError> {
        let Inner { engine, linker, cache, config } = &*self.inner;
        let world = inspect(component)?;
        let hash = blake3::hash(component);
        let failed = |error: wasmtime::Error| PolicyError::Compile(format!("{error:#}"));
        if let (Some(apart), Some(dir)) = (&config.apart, &config.cache_dir)
            && !cache.holds(engine, &hash)
        {
            apart.compile(component, dir)?;
        }
        let compiled = self.compile(component).map_err(failed)?;
        let pre = linker.instantiate_pre(&compiled).map_err(failed)?;
        let code = Code::new(world, pre).map_err(failed)?;
        Ok(PolicyCode::new(engine.clone(), code, world, hash, config))
    }

    /// Its machine code, from the cache if it is there.
    pub(super) fn compile(&self, component: &[u8]) -> wasmtime::Result<Component> {
        let Inner { engine, cache, .. } = &*self.inner;
        cache.compile(engine, component, &blake3::hash(component))
    }
}
