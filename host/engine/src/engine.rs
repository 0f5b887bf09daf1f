//! The engine: tools in, runs out.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use longhouse_core::{CommandRules, Limits, ProjectPath, SHELLS, Stream};
use longhouse_shell::{Program, Sink, Source};
use longhouse_workspace::View;

use crate::command::{Begins, CommandRef, Given, LogSink, Nothing, Programs, Started};
use crate::compile::Compiler;
use crate::handle::Run;
use crate::limits::{MemoryBudget, RunMemory};
use crate::mounts::Mounts;
use crate::run::run_to_end;
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
    /// The command that the first of `argv` names.
    pub command: CommandRef,
    /// Its name and its arguments.
    pub argv: Vec<String>,
    /// Environment variables, over `HOME` and `PATH`; `PWD` is set by the engine.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub cwd: ProjectPath,
    /// Its standard input, if there is any: an empty one is not the same as none.
    pub stdin: Option<Bytes>,
    /// What it may run, as far as it runs other commands.
    pub commands: CommandRules,
    /// What it may spend.
    pub limits: Limits,
    /// The project, as its agent sees it; if that can be changed, so it is, and nothing is published by it.
    pub view: View,
    /// What it has for itself: its `/tmp` and `/dev`, unless there are such in the project.
    pub scratch: Option<View>,
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

    /// What `command` is, also while it is being compiled.
    pub fn find(&self, command: &str) -> Option<CommandRef> {
        if SHELLS.contains(&command) {
            Some(CommandRef::Shell)
        } else {
            self.tool(command).map(CommandRef::Tool)
        }
    }

    /// The command whose name is most like `command`, which is none, if one is alike.
    pub fn nearest(&self, command: &str) -> Option<String> {
        self.registry(|registry| registry.nearest(command))
    }

    /// The tool that provides `command`.
    pub fn tool(&self, command: &str) -> Option<ToolRef> {
        self.registry(|registry| registry.find(command))
    }

    /// Begins a run, once its tool is compiled and a thread is free. Its time counts from then.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when no thread becomes free, [`EngineError::ToolFailed`] when the tool is
    /// unusable.
    pub async fn start(&self, spec: RunSpec) -> Result<RunHandle, EngineError> {
        let Inner { threads, memory: budget, .. } = &*self.inner;
        let begins = Begins::of(&spec.command).await?;
        let place = threads.place().await?;

        let log = Arc::new(OutputLog::new(spec.limits.output));
        let memory = Arc::new(RunMemory::new(Arc::clone(budget), spec.limits.memory));
        let run = Arc::new(Run::new(place, Stop::new(&spec.limits), log, memory));
        let handle = RunHandle { run: Arc::clone(&run), threads: Arc::clone(threads) };
        let started = Started::first(spec.program(&run));
        let RunSpec { view, scratch, commands, limits, .. } = spec;
        let mounts = Mounts::new(view, scratch);
        let programs = Arc::new(Programs::new(self.clone(), run, mounts, commands, limits.files));
        threads.run(move || run_to_end(&programs, begins, started));
        Ok(handle)
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.engine
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

/// What a run has in its environment unless it is given otherwise. `PATH` is for those who look for commands themselves.
const ENVIRONMENT: [(&str, &str); 3] =
    [("HOME", "/"), ("PATH", "/usr/local/bin:/usr/bin:/bin"), ("TMPDIR", "/tmp")];

impl RunSpec {
    /// The first program of `run`, which writes to its log.
    fn program(&self, run: &Arc<Run>) -> Program {
        let given = |name: &str| self.env.iter().any(|(given, _)| given == name);
        let usual = ENVIRONMENT.iter().filter(|(name, _)| !given(name));
        let usual = usual.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let output = |stream| Some(Arc::new(LogSink::new(Arc::clone(run), stream)) as Arc<dyn Sink>);
        Program {
            argv: self.argv.clone(),
            environment: usual.chain(self.env.iter().cloned()).collect(),
            cwd: format!("/{}", self.cwd.as_str()),
            stdin: Some(match &self.stdin {
                Some(bytes) => Arc::new(Given::new(bytes.clone())) as Arc<dyn Source>,
                None => Arc::new(Nothing),
            }),
            stdout: output(Stream::Stdout),
            stderr: output(Stream::Stderr),
        }
    }
}
