//! The engine: tools in, runs out.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use longhouse_core::{Limits, ProjectPath};
use longhouse_workspace::View;

use crate::compile::Compiler;
use crate::filesystem::Counters;
use crate::handle::Run;
use crate::limits::{MemoryBudget, MemoryLimit, MemoryUse};
use crate::run::run_guest;
use crate::run_state::RunState;
use crate::stop::Stop;
use crate::threads::GuestThreads;
use crate::ticker::Ticker;
use crate::tools::{Registry, Tool};
use crate::{
    EngineConfig, EngineError, OutputLog, Readiness, RunHandle, ToolInfo, ToolRef, config, manifest,
};

/// Runs guests. Cheap to clone; one serves all projects of a process.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    compiler: Arc<Compiler>,
    registry: RwLock<Registry>,
    threads: Arc<GuestThreads>,
    memory: Arc<MemoryBudget>,
    _ticker: Ticker,
}

/// One execution of a command.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The tool that provides the command.
    pub tool: ToolRef,
    /// The command's name and its arguments.
    pub argv: Vec<String>,
    /// Environment variables; `PWD` and `HOME` are set by the engine.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub cwd: ProjectPath,
    /// Its standard input.
    pub stdin: Bytes,
    /// What it may spend.
    pub limits: Limits,
    /// The project, as its agent sees it; if that can be changed, so it is, and nothing is published by it.
    pub view: View,
}

impl Engine {
    /// Sets up an engine without tools.
    ///
    /// # Errors
    /// When wasmtime, the cache directory or the threads cannot be had.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let runs = config.runs();
        let engine = config::tool_engine(&config).map_err(EngineError::Setup)?;
        let inner = Inner {
            compiler: Arc::new(Compiler::new(&engine, config.cache_dir)?),
            registry: RwLock::default(),
            threads: Arc::new(GuestThreads::start(runs)?),
            memory: Arc::new(MemoryBudget::new(config.max_guest_memory, runs)),
            _ticker: Ticker::start(&engine).map_err(EngineError::Thread)?,
            engine,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Adds the tools in `dirs`. Their commands are known at once; what is not in the cache is compiled in
    /// the background, the smallest first.
    ///
    /// # Errors
    /// When a directory or manifest cannot be read, or a command is provided twice. Tools before the one at
    /// fault were added.
    pub fn load_tools(&self, dirs: &[PathBuf]) -> Result<(), EngineError> {
        let mut added = Vec::new();
        let all = dirs.iter().try_for_each(|dir| self.add_tools(dir, &mut added));
        self.inner.compiler.start(added)?;
        all
    }

    /// All tools, in the order they were added.
    pub fn tools(&self) -> Vec<ToolInfo> {
        self.registry(|registry| registry.tools.iter().map(ToolRef::info).collect())
    }

    /// How far compiling has come.
    pub fn ready(&self) -> Readiness {
        self.registry(Registry::ready)
    }

    /// The tool that provides `command`, also while it is being compiled.
    pub fn find(&self, command: &str) -> Option<ToolRef> {
        self.registry(|registry| registry.find(command))
    }

    /// Begins a run, once its tool is compiled and a thread is free. Its time counts from then.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when no thread becomes free, [`EngineError::ToolFailed`] when the tool is
    /// unusable.
    pub async fn start(&self, spec: RunSpec) -> Result<RunHandle, EngineError> {
        let Inner { engine, threads, memory: budget, .. } = &*self.inner;
        let pre = spec.tool.code().await?;
        let place = threads.place().await?;

        let log = Arc::new(OutputLog::new(spec.limits.output));
        let (counters, memory) = (Arc::<Counters>::default(), Arc::<MemoryUse>::default());
        let limit = MemoryLimit::new(Arc::clone(budget), Arc::clone(&memory), spec.limits.memory);
        let state = RunState::new(&spec, &log, Arc::clone(&counters), limit);
        let run = Arc::new(Run::new(place, Stop::new(&spec.limits), log, counters, memory));

        let handle = RunHandle { run: Arc::clone(&run), threads: Arc::clone(threads) };
        let engine = engine.clone();
        threads.run(move |runtime| run_guest(runtime, &engine, &pre, state, &run));
        Ok(handle)
    }

    fn add_tools(&self, dir: &Path, added: &mut Vec<ToolRef>) -> Result<(), EngineError> {
        for (manifest, path) in manifest::read_dir(dir)? {
            let component = manifest::read_component(&path)?;
            let tool = ToolRef(Arc::new(Tool::new(manifest, path, &component)));
            self.inner.registry.write().unwrap_or_else(PoisonError::into_inner).add(&tool)?;
            added.push(tool);
        }
        Ok(())
    }

    fn registry<T>(&self, read: impl FnOnce(&Registry) -> T) -> T {
        read(&self.inner.registry.read().unwrap_or_else(PoisonError::into_inner))
    }
}
