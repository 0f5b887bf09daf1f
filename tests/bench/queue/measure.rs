//! One figure: so many clients doing the same thing for so long.

use std::fmt;
use std::time::Duration;

use anyhow::ensure;

use super::cpu;
use super::peer::Peer;
use super::run::{fill, quantile, run};

/// What every client repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Adding a job.
    Create,
    /// Claiming a job and completing it, on a queue that holds enough of them.
    Cycle,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "create",
            Self::Cycle => "cycle",
        })
    }
}

/// What was measured. Its text is a line of a table below [`Cell::HEADING`].
#[derive(Clone, Debug)]
pub struct Cell {
    pub peer: String,
    pub is_longhouse: bool,
    pub what: What,
    pub clients: usize,
    pub count: usize,
    /// From the start of the first operation to the end of the last.
    pub wall: Duration,
    /// Of one operation, as its client sees it.
    pub median: Duration,
    pub p99: Duration,
    /// CPU time of this process meanwhile, which is the clients'.
    pub clients_cpu: Duration,
    /// CPU time of the peer's processes meanwhile.
    pub peer_cpu: Duration,
    /// The queue was empty before the time was over. The figures hold for the time until then.
    pub ran_dry: bool,
}

/// Measures `peer` for `time`, after a warm-up, with a connection and a thread for each of `clients`.
///
/// Filling the queue is bounded, too: by what the warm-up lets expect, and by a count.
pub fn measure(peer: &dyn Peer, clients: usize, what: What, time: Duration) -> anyhow::Result<Cell> {
    const WARM_UP: Duration = Duration::from_millis(500);
    ensure!(clients > 0, "somebody must do it");
    let mut connections = (0..clients).map(|_| peer.connect()).collect::<anyhow::Result<Vec<_>>>()?;
    match what {
        What::Create => drop(run(&mut connections, what, WARM_UP)?),
        What::Cycle => {
            // Enough for half a second of the fastest peer on a fast disk, or for a sample of it.
            fill(&mut connections, 500 + 60 * clients)?;
            let warm = run(&mut connections, what, WARM_UP)?;
            let expected = warm.took.len() as f64 * time.as_secs_f64() / warm.wall.as_secs_f64();
            fill(&mut connections, (expected * 1.5) as usize)?;
        }
    }

    peer.tidy()?;
    let pids = peer.pids();
    let (clients_before, peer_before) = (cpu::of_this_process()?, cpu::of_trees(&pids)?);
    let run = run(&mut connections, what, time)?;
    let (clients_after, peer_after) = (cpu::of_this_process()?, cpu::of_trees(&pids)?);
    Ok(Cell {
        peer: peer.name().to_owned(),
        is_longhouse: peer.is_longhouse(),
        what,
        clients,
        count: run.took.len(),
        wall: run.wall,
        median: quantile(&run.took, 0.5),
        p99: quantile(&run.took, 0.99),
        clients_cpu: clients_after.saturating_sub(clients_before),
        peer_cpu: peer_after.saturating_sub(peer_before),
        ran_dry: run.ran_dry,
    })
}

impl Cell {
    /// Names the columns. CPU is in seconds per second.
    pub const HEADING: &str =
        "peer               what    clients       /s    p50 µs    p99 µs  clients' CPU  peer's CPU";

    /// Operations per second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.wall.as_secs_f64()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { peer, what, clients, .. } = self;
        let (p50, p99) = (self.median.as_micros(), self.p99.as_micros());
        let [by_clients, by_peer] =
            [self.clients_cpu, self.peer_cpu].map(|cpu| cpu.as_secs_f64() / self.wall.as_secs_f64());
        write!(f, "{peer:<17}  {what:<6}  {clients:>7}  {:>7.0}  {p50:>8}  {p99:>8}", self.rate())?;
        write!(f, "  {by_clients:>12.2}  {by_peer:>10.2}")?;
        if self.ran_dry { write!(f, "  ran dry after {:.1} s", self.wall.as_secs_f64()) } else { Ok(()) }
    }
}
