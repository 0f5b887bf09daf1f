//! The figures that the project promises, measured in one sitting: medians and p99, side by side.
//!
//! A small process without a runtime of its own, so that what it starts natively costs no more than it must.

mod client;
mod files;
mod lines;
mod native;
mod policies;
mod report;
mod server;

use clap::{Parser, ValueEnum};

use report::Samples;
use server::Server;

/// Measures a release build of the server. Run by `make bench`.
#[derive(Parser)]
struct Arguments {
    /// What to measure; everything by default.
    #[arg(value_enum)]
    what: Vec<What>,
    /// Runs of each kind.
    #[arg(long, default_value_t = 2_000)]
    rounds: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// A warm `echo` over keep-alive HTTP against the same program started natively.
    Echo,
    /// Other requests while a guest spins, and how soon the guest is stopped.
    Spin,
    /// A file of 4 KiB read over HTTP, against reading it natively.
    Read,
    /// A file of 4 KiB replaced durably over HTTP, against a program that does so.
    Write,
    /// A run that changes 1,000 files, and a dry one, against the same program natively.
    Change,
    /// A search through 20,000 files, in the sandbox and over HTTP, against ripgrep on one thread.
    Search,
    /// The same search in the sandbox, in the project's view and in wasmtime's own file system.
    View,
    /// Command lines, against bash with the machine's own programs.
    Lines,
    /// What a scheduler adds to a claim, with 1,000 tasks and with a million.
    Policies,
    /// Memory of an idle server whose tools are compiled and cached.
    Idle,
}

fn main() -> anyhow::Result<()> {
    let Arguments { what, rounds } = Arguments::parse();
    let wanted = |which| what.is_empty() || what.contains(&which);
    if wanted(What::Policies) {
        policies::policies(rounds)?;
    }
    if what == [What::Policies] {
        return Ok(());
    }
    // The first server compiles what is not in the cache; the one that is measured finds it there.
    drop(Server::start()?);
    let server = Server::start()?;
    if wanted(What::Idle) {
        println!("idle server, {} tools: {:.1} MB resident", server.tools()?, server.resident_mb()?);
    }
    if wanted(What::Echo) {
        echo(&server, rounds)?;
    }
    if wanted(What::Read) {
        files::read(&server, rounds)?;
    }
    if wanted(What::Write) {
        files::write(&server, rounds)?;
    }
    if wanted(What::Change) {
        files::change(&server)?;
    }
    if wanted(What::Search) {
        files::search(&server)?;
    }
    if wanted(What::View) {
        files::view(&server)?;
    }
    if wanted(What::Lines) {
        lines::lines(&server)?;
    }
    if wanted(What::Spin) {
        spin(&server)?;
    }
    Ok(())
}

/// Takes turns in blocks, so that whatever else the machine does meets both, and both are warm.
fn echo(server: &Server, rounds: usize) -> anyhow::Result<()> {
    const BLOCK: usize = 50;
    let mut client = server.client()?;
    for (command, native) in native::programs()? {
        let (mut sandboxed, mut natively) = (Samples::default(), Samples::default());
        for _ in 0..rounds.div_ceil(BLOCK) {
            for _ in 0..BLOCK {
                sandboxed.add(client.time_run(&command)?);
            }
            for _ in 0..BLOCK {
                natively.add(native.time()?);
            }
        }
        println!("{command} over HTTP: {sandboxed}");
        println!("{} natively: {natively}", native.name());
        println!("ratio of medians: {:.3}\n", sandboxed.median() / natively.median());
    }
    Ok(())
}

fn spin(server: &Server) -> anyhow::Result<()> {
    /// Of other requests, per second and in all.
    const RATE: u32 = 50;
    const COUNT: u32 = 500;
    let spinning = std::thread::spawn({
        let mut client = server.client_of("spinner")?;
        move || -> anyhow::Result<Samples> {
            let mut stopped = Samples::default();
            for _ in 0..8 {
                stopped.add(client.time_run("fixture-spin")?);
            }
            Ok(stopped)
        }
    });
    let mut client = server.client()?;
    let mut others = Samples::default();
    let began = std::time::Instant::now();
    for n in 0..COUNT {
        let due = began + std::time::Duration::from_secs(1) * n / RATE;
        std::thread::sleep(due.saturating_duration_since(std::time::Instant::now()));
        others.add(client.time_run("fixture-echo")?);
    }
    let stopped = spinning.join().map_err(|_| anyhow::anyhow!("the spinning thread panicked"))??;
    println!("a spinning guest with wall = \"1s\" is answered after: {stopped}");
    println!("meanwhile, {RATE} runs of echo a second:              {others}");
    Ok(())
}
