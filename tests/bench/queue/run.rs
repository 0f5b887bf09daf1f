//! Clients that do the same thing at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::jobs::{job, jobs};
use super::measure::What;
use super::peer::Client;

type Connection = Box<dyn Client + Send>;

/// What clients did together.
pub struct Run {
    /// Sorted.
    pub took: Vec<Duration>,
    pub wall: Duration,
    pub ran_dry: bool,
}

/// How long it took at most in a share `q` of `sorted`.
pub fn quantile(sorted: &[Duration], q: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * q).round() as usize).copied().unwrap_or_default()
}

/// Every client repeats it until `time` is over, the queue is empty, or anybody fails.
pub fn run(connections: &mut [Connection], what: What, time: Duration) -> anyhow::Result<Run> {
    /// Of operations in all, far more than a disk can do in the time that anybody waits.
    const MOST: usize = 4_000_000;
    let most = MOST / connections.len();
    let (stop, ran_dry) = (AtomicBool::new(false), AtomicBool::new(false));
    let began = Instant::now();
    let repeat = |client: &mut dyn Client| -> anyhow::Result<Vec<Duration>> {
        let mut took = Vec::new();
        while began.elapsed() < time && took.len() < most && !stop.load(Ordering::Relaxed) {
            let started = Instant::now();
            let done = match what {
                What::Create => client.create(&job()).map(|()| true),
                What::Cycle => client.claim_and_complete(),
            };
            match done {
                Ok(true) => took.push(started.elapsed()),
                Ok(false) => {
                    ran_dry.store(true, Ordering::Relaxed);
                    stop.store(true, Ordering::Relaxed);
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(took)
    };
    let mut took = together(connections, repeat)?.concat();
    let wall = began.elapsed();
    took.sort_unstable();
    Ok(Run { took, wall, ran_dry: ran_dry.into_inner() })
}

/// Adds so many jobs, by all clients at once.
pub fn fill(connections: &mut [Connection], count: usize) -> anyhow::Result<()> {
    const MOST: usize = 1_000_000;
    let each = count.min(MOST).div_ceil(connections.len());
    together(connections, |client| client.create_all(&jobs(each)))?;
    Ok(())
}

/// Does it on every connection, in a thread of its own.
fn together<'connections, T: Send>(
    connections: &'connections mut [Connection],
    act: impl Fn(&mut dyn Client) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    thread::scope(|scope| {
        let act = &act;
        let start = |client: &'connections mut Connection| scope.spawn(move || act(client.as_mut()));
        let threads: Vec<_> = connections.iter_mut().map(start).collect();
        let results =
            threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?);
        results.collect()
    })
}
