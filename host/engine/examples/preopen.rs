//! What the project's view costs a guest that only reads, beside wasmtime's own file system with the current directory opened
//! before: `preopen TOOLS_DIR TOOL ROUNDS COMMAND [ARGUMENT…]`, in turns.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use longhouse_core::{CommandRules, FileGrants, Limits, ProjectPath};
use longhouse_engine::{Engine, EngineConfig, RunSpec};
use longhouse_workspace::{Root, View};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Store};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

/// A guest of wasmtime's own.
struct Stock {
    table: ResourceTable,
    wasi: WasiCtx,
}

impl WasiView for Stock {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Runs it once, and returns what it printed.
async fn run_stock(command: &CommandPre<Stock>, argv: &[String]) -> Result<Bytes, Box<dyn Error>> {
    let stdout = MemoryOutputPipe::new(1 << 20);
    let mut wasi = WasiCtx::builder();
    wasi.args(argv).stdout(stdout.clone()).allow_blocking_current_thread(true);
    wasi.preopened_dir(".", "/", FsPerms::ReadOnly)?;
    let mut store = Store::new(command.engine(), Stock { table: ResourceTable::new(), wasi: wasi.build() });
    store.set_epoch_deadline(u64::MAX / 2);
    let command = command.instantiate_async(&mut store).await?;
    // How it ended does not matter here, only what it found.
    let _ = command.wasi_cli_run().call_run(&mut store).await;
    Ok(stdout.contents())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let tools = arguments.next().ok_or("no directory of tools")?;
    let tool = arguments.next().ok_or("no tool")?;
    let rounds: usize = arguments.next().ok_or("no number of rounds")?.parse()?;
    let argv: Vec<String> = arguments.collect();
    let command = argv.first().ok_or("no command")?;

    let cache_dir = Some(std::env::temp_dir().join("longhouse-latency"));
    let engine = Engine::new(EngineConfig { cache_dir, ..EngineConfig::default() })?;
    engine.load_tools(&[tools.clone().into()])?;
    let spec = RunSpec {
        command: engine.find(command).ok_or("no tool provides the command")?,
        argv: argv.clone(),
        env: Vec::new(),
        cwd: ProjectPath::root(),
        stdin: None,
        commands: CommandRules::default(),
        limits: Limits::default(),
        view: View::new(Arc::new(Root::open(Path::new("."))?), Arc::new(FileGrants::everything())),
        scratch: None,
    };

    // As the engine sets it up, as far as that costs time.
    let stock =
        wasmtime::Engine::new(Config::new().epoch_interruption(true).wasm_backtrace_max_frames(None))?;
    let mut linker = Linker::new(&stock);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    let component = Component::from_file(&stock, Path::new(&tools).join(format!("{tool}.wasm")))?;
    let command = CommandPre::new(linker.instantiate_pre(&component)?)?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        let finished = engine.start(spec.clone()).await?.finished().await;
        ours.push(started.elapsed());
        let started = Instant::now();
        let printed = run_stock(&command, &argv).await?;
        theirs.push(started.elapsed());
        let length: usize = finished.output.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        if length != printed.len() {
            return Err(format!("{length} bytes printed, and {} by the other", printed.len()).into());
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    println!("in the project's view: median {ours:?}");
    println!("in a stock preopen:    median {theirs:?}");
    println!("ratio of medians: {:.2}", ours.as_secs_f64() / theirs.as_secs_f64());
    Ok(())
}
