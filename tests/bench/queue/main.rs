//! Durable queues, side by side: what creating a job and finishing one costs, here and in programs made for it.
//!
//! Every peer answers only after what it answers for is on disk. What that takes differs: beanstalkd holds a
//! reservation in memory, bound to its connection, and syncs once per cycle; Redis, PostgreSQL and Longhouse record
//! the claim, too, and sync twice, unless Longhouse is asked to complete and claim in one call. All are reached over
//! TCP on loopback, by clients that block.

mod beanstalkd;
mod claims;
mod cpu;
mod daemon;
mod disk;
mod http;
mod jobs;
mod longhouse;
mod measure;
mod peer;
mod postgres;
mod ratio;
mod redis;
mod run;
mod start;
mod streams;

use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum as _};

use measure::{Cell, What, measure};
use peer::Peer;
use start::Which;

/// Measures a release build of the server beside other queues. Run by `make bench-queue`.
#[derive(Parser)]
struct Arguments {
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Which::value_variants().to_vec())]
    peers: Vec<Which>,
    /// How many clients call at once. PostgreSQL takes no more by default.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64], value_parser = clap::value_parser!(u8).range(1..=90))]
    clients: Vec<u8>,
    /// How long each figure is measured.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=60))]
    seconds: u8,
    /// How often everything is measured; ratios are of medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    rounds: u8,
    /// Measure instead how long one claim takes Longhouse with 1,000 and 100,000 tasks waiting.
    #[arg(long)]
    claims: bool,
    /// And with 1,000,000.
    #[arg(long, requires = "claims")]
    million: bool,
    /// Measure instead what so many agents cost Longhouse that each have a stream of events open.
    #[arg(long, value_name = "AGENTS", conflicts_with = "claims")]
    streams: Option<u16>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(count) = arguments.streams {
        return streams::measure(count.into());
    }
    if arguments.claims {
        let depths: &[usize] =
            if arguments.million { &[1_000, 100_000, 1_000_000] } else { &[1_000, 100_000] };
        return claims::measure(depths);
    }
    let peers = start::peers(&arguments.peers)?;
    let mut cells = Vec::new();
    for round in 1..=arguments.rounds {
        println!("round {round}\n{}", Cell::HEADING);
        cells.extend(take_turns(&peers, &arguments)?);
    }
    let ratios = ratio::ratios(&cells);
    if !ratios.is_empty() {
        println!("\nof the medians of all rounds");
    }
    for ratio in ratios {
        println!("{ratio}");
    }
    Ok(())
}

/// Measures each figure of all peers before the next one, so that whatever else the machine does meets all.
fn take_turns(peers: &[Box<dyn Peer>], arguments: &Arguments) -> anyhow::Result<Vec<Cell>> {
    let time = Duration::from_secs(arguments.seconds.into());
    let mut cells = Vec::new();
    for &clients in &arguments.clients {
        for what in [What::Create, What::Cycle] {
            println!(
                "                                  {:>7.0}  syncs/s of the disk",
                disk::syncs_per_second()?
            );
            for peer in peers.iter().filter(|peer| peer.differs_in(what)) {
                let cell = measure(peer.as_ref(), clients.into(), what, time)
                    .with_context(|| format!("failed to measure {}", peer.name()))?;
                println!("{cell}");
                cells.push(cell);
            }
        }
    }
    Ok(cells)
}
