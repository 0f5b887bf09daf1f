//! The engine: tools in, runs out.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use longhouse_core::{Access, Limits, ProjectPath};
use longhouse_workspace::Root;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::cache::Cache;
use crate::filesystem::Counters;
use crate::handle::Run;
use crate::limits::{MemoryBudget, MemoryLimit, MemoryUse};
use crate::run::run_guest;
use crate::run_state::RunState;
use crate::stop::Stop;
use crate::threads::GuestThreads;
use crate::ticker::Ticker;
use crate::tools::{Code, Registry, Tool};
use crate::{
    EngineConfig, EngineError, OutputLog, Readiness, RunHandle, ToolInfo, ToolRef, config, linker, manifest,
};

/// How long a run waits for a thread before its caller is told to come back.
const WAIT_FOR_THREAD: Duration = Duration::from_secs(5);

/// What then is suggested.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Runs guests. Cheap to clone; one serves all projects of a process.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    linker: Linker<RunState>,
    cache: Cache,
    registry: RwLock<Registry>,
    threads: Arc<GuestThreads>,
    thread_count: u32,
    permits: Arc<Semaphore>,
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
    /// The project.
    pub root: Arc<Root>,
    /// Whether it may change the project.
    pub access: Access,
}

impl Engine {
    /// Sets up an engine without tools.
    ///
    /// # Errors
    /// When wasmtime, the cache directory or the threads cannot be had.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let engine = config::tool_engine(&config).map_err(EngineError::Setup)?;
        let linker = linker::link(&engine).map_err(EngineError::Setup)?;
        let ticker = Ticker::start(&engine).map_err(EngineError::Thread)?;
        let threads = GuestThreads::start(config.guest_threads, &engine)?;
        let permits = usize::try_from(config.guest_threads).unwrap_or(Semaphore::MAX_PERMITS);
        let inner = Inner {
            engine,
            linker,
            cache: Cache::open(config.cache_dir)?,
            registry: RwLock::default(),
            threads,
            thread_count: config.guest_threads,
            permits: Arc::new(Semaphore::new(permits)),
            memory: Arc::new(MemoryBudget::new(config.max_guest_memory)),
            _ticker: ticker,
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
        for dir in dirs {
            for (manifest, path) in manifest::read_dir(dir)? {
                let component = manifest::read_component(&path)?;
                let tool = ToolRef(Arc::new(Tool::new(manifest, path, &component)));
                self.inner.registry.write().unwrap_or_else(PoisonError::into_inner).add(&tool)?;
                added.push(tool);
            }
        }
        let inner = Arc::clone(&self.inner);
        let compile = move || inner.compile(added);
        std::thread::Builder::new()
            .name("tool-compiler".to_owned())
            .spawn(compile)
            .map_err(EngineError::Thread)?;
        Ok(())
    }

    /// All tools, in the order they were added.
    pub fn tools(&self) -> Vec<ToolInfo> {
        let registry = self.inner.registry.read().unwrap_or_else(PoisonError::into_inner);
        registry.tools.iter().map(ToolRef::info).collect()
    }

    /// How far compiling has come.
    pub fn ready(&self) -> Readiness {
        let registry = self.inner.registry.read().unwrap_or_else(PoisonError::into_inner);
        let settled = |tool: &&ToolRef| !matches!(*tool.0.code.borrow(), Code::Compiling);
        Readiness { settled: registry.tools.iter().filter(settled).count(), total: registry.tools.len() }
    }

    /// The tool that provides `command`, also while it is being compiled.
    pub fn find(&self, command: &str) -> Option<ToolRef> {
        self.inner.registry.read().unwrap_or_else(PoisonError::into_inner).find(command)
    }

    /// Begins a run, once its tool is compiled and a thread is free. Its time counts from then.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when no thread becomes free, [`EngineError::ToolFailed`] when the tool is
    /// unusable.
    pub async fn start(&self, spec: RunSpec) -> Result<RunHandle, EngineError> {
        let pre = spec.tool.code().await?;
        let permit = self.inner.permit().await?;
        let log = Arc::new(OutputLog::new(spec.limits.output));
        let (counters, memory) = (Arc::<Counters>::default(), Arc::<MemoryUse>::default());
        let limit = MemoryLimit::new(Arc::clone(&self.inner.memory), Arc::clone(&memory), spec.limits.memory);
        let state = RunState::new(&spec, &log, Arc::clone(&counters), limit);
        let run = Arc::new(Run {
            log,
            stop: Arc::new(Stop::new(&spec.limits)),
            counters,
            memory,
            started: Instant::now(),
            cpu_us: AtomicU64::new(0),
            finished: watch::Sender::new(None),
        });
        let handle = RunHandle { run: Arc::clone(&run), threads: Arc::clone(&self.inner.threads) };
        let engine = self.inner.engine.clone();
        self.inner.threads.run(move |runtime| {
            run_guest(runtime, &engine, &pre, state, &run);
            drop(permit);
        });
        Ok(handle)
    }
}

impl Inner {
    async fn permit(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(WAIT_FOR_THREAD, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                Err(EngineError::Busy { threads: self.thread_count, retry_after: RETRY_AFTER })
            }
        }
    }

    fn compile(&self, mut tools: Vec<ToolRef>) {
        tools.sort_by_key(|tool| (!self.cache.holds(&self.engine, &tool.0.hash), tool.0.bytes));
        for ToolRef(tool) in tools {
            let started = Instant::now();
            let code = match self.compile_one(&tool) {
                Ok(pre) => {
                    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    tracing::info!(tool = tool.manifest.name, ms, "tool is ready");
                    Code::Ready(pre)
                }
                Err(reason) => {
                    tracing::error!(tool = tool.manifest.name, reason, "tool cannot run");
                    Code::Failed(reason)
                }
            };
            tool.code.send_replace(code);
        }
    }

    fn compile_one(&self, tool: &Tool) -> Result<CommandPre<RunState>, String> {
        let component = manifest::read_component(&tool.path).map_err(|error| error.to_string())?;
        if blake3::hash(&component) != tool.hash {
            return Err(format!("{} changed since the server started", tool.path.display()));
        }
        let pre = self
            .cache
            .compile(&self.engine, &component, &tool.hash)
            .and_then(|component| self.linker.instantiate_pre(&component))
            .and_then(CommandPre::new);
        pre.map_err(|error| format!("{error:#}"))
    }
}
