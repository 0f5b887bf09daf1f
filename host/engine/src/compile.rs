//! Making tools ready to run: in the background, and one at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use wasmtime::Engine;
use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::cache::Cache;
use crate::run_state::RunState;
use crate::tools::{Code, Tool, ToolRef};
use crate::{EngineError, linker, manifest};

/// Compiles tools and links them to what guests may use.
pub(crate) struct Compiler {
    engine: Engine,
    linker: Linker<RunState>,
    cache: Cache,
    one_at_a_time: Mutex<()>,
}

impl Compiler {
    /// A compiler that keeps what it compiled in `cache_dir`.
    pub(crate) fn new(engine: &Engine, cache_dir: Option<PathBuf>) -> Result<Self, EngineError> {
        Ok(Self {
            engine: engine.clone(),
            linker: linker::link(engine).map_err(EngineError::Setup)?,
            cache: Cache::open(cache_dir)?,
            one_at_a_time: Mutex::default(),
        })
    }

    /// Compiles `tools` on a thread of its own: first what the cache holds, then the smallest.
    pub(crate) fn start(self: &Arc<Self>, mut tools: Vec<ToolRef>) -> Result<(), EngineError> {
        let compiler = Arc::clone(self);
        let compile = move || {
            tools.sort_by_key(|ToolRef(tool)| {
                (!compiler.cache.holds(&compiler.engine, &tool.hash), tool.bytes)
            });
            for ToolRef(tool) in tools {
                let _turn = compiler.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
                tool.code.send_replace(compiler.code(&tool));
            }
        };
        let thread = std::thread::Builder::new().name("tool-compiler".to_owned());
        thread.spawn(compile).map(drop).map_err(EngineError::Thread)
    }

    fn code(&self, tool: &Tool) -> Code {
        let started = Instant::now();
        // What makes the compiler panic is this tool, and the others are still to be compiled.
        let prepared = catch_unwind(AssertUnwindSafe(|| self.prepare(tool)))
            .unwrap_or_else(|_| Err("the compiler failed on it".to_owned()));
        match prepared {
            Ok(pre) => {
                let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::info!(tool = tool.manifest.name, ms, "tool is ready");
                Code::Ready(pre)
            }
            Err(reason) => {
                tracing::error!(tool = tool.manifest.name, reason, "tool cannot run");
                Code::Failed(reason)
            }
        }
    }

    fn prepare(&self, tool: &Tool) -> Result<CommandPre<RunState>, String> {
        let bytes = manifest::read_component(&tool.path).map_err(|error| error.to_string())?;
        if blake3::hash(&bytes) != tool.hash {
            return Err(format!("{} changed since the server started", tool.path.display()));
        }
        let text = |error: wasmtime::Error| format!("{error:#}");
        let component = self.cache.compile(&self.engine, &bytes, &tool.hash).map_err(text)?;
        let missing = linker::not_offered(&component);
        if !missing.is_empty() {
            return Err(format!("it imports what is not offered: {}", missing.join(", ")));
        }
        self.linker.instantiate_pre(&component).and_then(CommandPre::new).map_err(text)
    }
}
