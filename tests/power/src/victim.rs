//! A process that works until its power fails. It prints a line for each thing that its clients were told.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use longhouse_power::{Client, Cut, Last, Leaves, Line, Loss, Synchronous, mount, open};
use rustix::process::{Signal, getpid, kill_process};

#[derive(Parser)]
struct Arguments {
    /// The project's database is in there.
    dir: PathBuf,
    #[arg(long)]
    clients: usize,
    /// The number that its clients' requests begin with.
    #[arg(long)]
    first: u64,
    /// The power fails before this call.
    #[arg(long)]
    cut_at: u64,
    #[arg(long, value_enum)]
    leaves: Leaves,
    #[arg(long)]
    seed: u64,
    #[arg(long, value_enum)]
    synchronous: Synchronous,
}

/// Requests that are sent and not answered.
static IN_FLIGHT: AtomicU64 = AtomicU64::new(0);

fn main() -> anyhow::Result<()> {
    let Arguments { dir, clients, first, cut_at, leaves, seed, synchronous } = Arguments::parse();
    let disk = mount(&dir, synchronous);
    disk.cut(Cut { at: cut_at, leaves, seed, then: die });
    let coordinator = open(&dir)?;
    std::thread::scope(|scope| {
        for nth in 0..clients {
            let (mut client, coordinator) = (Client::new(nth, clients, first), &coordinator);
            scope.spawn(move || -> anyhow::Result<()> {
                client.join(coordinator)?;
                loop {
                    IN_FLIGHT.fetch_add(1, Ordering::Relaxed);
                    client.act(coordinator, &|said| print(&Line::Said(said)))?;
                    IN_FLIGHT.fetch_sub(1, Ordering::Relaxed);
                }
            });
        }
    });
    anyhow::bail!("the power did not fail")
}

/// The last call of this process was the one before.
fn die(loss: Loss) {
    print(&Line::Cut(Last { loss, unknown: IN_FLIGHT.load(Ordering::Relaxed) }));
    kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
    loop {
        std::thread::park();
    }
}

fn print(line: &Line) {
    let line = serde_json::to_string(line).expect("lines have a form");
    // Whoever does not listen any more does not count it, either.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
