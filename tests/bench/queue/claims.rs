//! Whether a claim takes longer when more tasks wait.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::jobs::{job, jobs};
use super::longhouse::{Connection, Cycle, Server};
use super::peer::Client as _;
use super::run::quantile;
use super::start::longhouse;

/// Prints how long one claim of one client takes with so many tasks waiting, and the ratio to the first of `depths`.
///
/// Each depth has a server of its own, kept at its depth; they take turns in blocks.
pub fn measure(depths: &[usize]) -> anyhow::Result<()> {
    const BLOCKS: usize = 20;
    const BLOCK: usize = 50;
    let mut queues = depths.iter().map(|&depth| Queue::start(depth)).collect::<anyhow::Result<Vec<_>>>()?;
    for _ in 0..BLOCKS {
        for queue in &mut queues {
            for _ in 0..BLOCK {
                queue.claim()?;
            }
        }
    }
    println!("  waiting    p50 µs    p99 µs  p50 ratio  p99 ratio");
    let mut first = None;
    for Queue { depth, took, .. } in &mut queues {
        took.sort_unstable();
        let [p50, p99] = [0.5, 0.99].map(|q| quantile(took, q).as_secs_f64() * 1e6);
        let (first_p50, first_p99) = *first.get_or_insert((p50, p99));
        println!("{depth:>9}  {p50:>8.0}  {p99:>8.0}  {:>9.2}  {:>9.2}", p50 / first_p50, p99 / first_p99);
    }
    Ok(())
}

/// A server with that many tasks waiting.
struct Queue {
    depth: usize,
    client: Connection,
    took: Vec<Duration>,
    _server: Server,
}

impl Queue {
    fn start(depth: usize) -> anyhow::Result<Self> {
        let server = Server::start(&longhouse()?)?;
        let mut client = server.connect(Cycle::TwoCalls)?;
        client.create_all(&jobs(depth))?;
        Ok(Self { depth, client, took: Vec::new(), _server: server })
    }

    /// Times a claim, completes it and puts another task in its place.
    fn claim(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let task = self.client.claim()?;
        self.took.push(started.elapsed());
        self.client.complete(&task.context("no task waits")?)?;
        self.client.create(&job())
    }
}
