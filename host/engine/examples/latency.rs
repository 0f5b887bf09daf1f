//! What one run costs inside the process: `latency TOOLS_DIR ROUNDS COMMAND [ARGUMENT…]`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longhouse_core::{CommandRules, FileGrants, Limits, ProjectPath};
use longhouse_engine::{Engine, EngineConfig, RunSpec};
use longhouse_workspace::{Root, View};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let tools = arguments.next().ok_or("no directory of tools")?;
    let rounds: usize = arguments.next().ok_or("no number of rounds")?.parse()?;
    let argv: Vec<String> = arguments.collect();
    let command = argv.first().ok_or("no command")?;

    let cache_dir = Some(std::env::temp_dir().join("longhouse-latency"));
    let engine = Engine::new(EngineConfig { cache_dir, ..EngineConfig::default() })?;
    engine.load_tools(&[tools.into()])?;
    let spec = RunSpec {
        command: engine.find(command).ok_or("no tool provides the command")?,
        argv,
        env: Vec::new(),
        cwd: ProjectPath::root(),
        stdin: None,
        commands: CommandRules::default(),
        limits: Limits::default(),
        view: View::new(Arc::new(Root::open(Path::new("."))?), Arc::new(FileGrants::everything())),
        scratch: None,
    };

    let mut times = Vec::new();
    for _ in 0..rounds {
        let started = Instant::now();
        let finished = engine.start(spec.clone()).await?.finished().await;
        times.push(started.elapsed());
        if times.len() == 1 {
            println!("{finished:?}");
        }
    }
    times.sort_unstable();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(Duration::MAX);
    println!("median {:?}, p99 {:?}, best {:?}", at(50), at(99), at(0));
    Ok(())
}
