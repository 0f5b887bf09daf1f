//! A whole project's coordination, simulated: the real rules over a real database, with agents, faults and crashes
//! that a seed chooses, under a virtual clock. What one seed does, it does again.

mod adversary;
mod agent;
mod check;
mod count;
mod crew;
mod files;
mod locks;
mod random;
mod server;
mod talk;
mod variant;
mod world;

use std::path::Path;

use anyhow::Context as _;

pub use count::Counts;
pub use variant::Variant;

/// Runs one seed in a directory of its own; the trace of what happened.
///
/// # Errors
/// The first thing that must not happen, with its seed.
pub fn run(seed: u64, variant: Variant, counts: &mut Counts) -> anyhow::Result<u64> {
    // Nothing here tests the disk: memory is as good, and fast.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
    let outcome =
        world::World::run(seed, variant, dir.path().to_owned()).with_context(|| format!("seed {seed}"))?;
    counts.add(&outcome.counts);
    Ok(outcome.trace)
}
