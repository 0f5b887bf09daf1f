//! What the engine is set up with, and how that sets up wasmtime.

use std::path::PathBuf;

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::command::AT_ONCE;
use crate::limits::RESERVED;
use crate::threads::MAX_STUCK;

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where compiled tools are kept: a directory that nobody else may write. `None` compiles at every start.
    pub cache_dir: Option<PathBuf>,
    /// Guests that run at the same time; each has a thread. Fewer if [`Self::max_guest_memory`] has no 16 MiB
    /// for each of them, which a run is certain to get.
    pub guest_threads: u32,
    /// Bytes of memory that all guests together may hold.
    pub max_guest_memory: u64,
}

impl Default for EngineConfig {
    /// No cache, 32 guests at once, and half of the machine's memory for them.
    fn default() -> Self {
        Self { cache_dir: None, guest_threads: 32, max_guest_memory: half_of_memory() }
    }
}

impl EngineConfig {
    /// How many guests can run at the same time.
    pub(crate) fn runs(&self) -> u32 {
        let room = u32::try_from(self.max_guest_memory / RESERVED).unwrap_or(u32::MAX);
        self.guest_threads.min(room).max(1)
    }
}

fn half_of_memory() -> u64 {
    let info = rustix::system::sysinfo();
    #[allow(clippy::useless_conversion, reason = "the C types differ between architectures")]
    let total = u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit));
    total / 2
}

/// Everything that guests do not need is off: threads, asynchronous components (WASI 0.3), GC, exceptions.
/// Backtraces are off because every exit code travels as an error, and collecting one for each costs time.
fn base() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_backtrace_max_frames(None)
        .concurrency_support(false)
        .wasm_gc(false)
        .gc_support(false);
    config
}

/// The engine of tools. Instances come from a pool if the address space for one can be had, else from the
/// operating system, one by one: slower, otherwise the same.
pub(crate) fn tool_engine(config: &EngineConfig) -> wasmtime::Result<wasmtime::Engine> {
    let mut pooled = base();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config.runs())));
    wasmtime::Engine::new(&pooled).or_else(|error| {
        tracing::warn!(error = %error, "no address space for pooled instances; starting each by itself");
        wasmtime::Engine::new(&base())
    })
}

/// A pool in which whatever is begun finds room: for this many runs, and for those that are stuck, as much as
/// each of their programs may have. It is address space; memory is what is used of it. A component made from a command has one memory, and a few small core instances and tables that
/// glue the adapter to it.
///
/// `pagemap_scan` would save a quarter of a short run and stays off: pages that are swapped out, or being moved
/// by the kernel at that moment, are not cleared, so that the next guest could read what the last one wrote
/// (bytecodealliance/wasmtime#14357).
fn pool(runs: u32) -> PoolingAllocationConfig {
    const MEMORIES: u32 = 2;
    const CORE_INSTANCES: u32 = 16;
    const TABLES: u32 = 16;
    let programs = runs.saturating_add(MAX_STUCK).saturating_mul(AT_ONCE + 1);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(programs)
        .total_core_instances(programs.saturating_mul(CORE_INSTANCES))
        .total_memories(programs.saturating_mul(MEMORIES))
        .total_tables(programs.saturating_mul(TABLES))
        .total_stacks(programs)
        .max_memories_per_component(MEMORIES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_tables_per_component(TABLES)
        .max_core_instance_size(4 << 20)
        .table_elements(100_000)
        .max_memory_size(4 << 30)
        // Kept from one run to the next, so that a small guest touches no fresh page.
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(8 << 10);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_guests_run_than_there_is_memory_for() {
        let config = |guest_threads, max_guest_memory| EngineConfig {
            cache_dir: None,
            guest_threads,
            max_guest_memory,
        };
        assert_eq!(config(32, 1 << 40).runs(), 32);
        assert_eq!(config(32, 100 << 20).runs(), 6);
        assert_eq!(config(32, 0).runs(), 1, "one can always try");
    }

    #[test]
    fn without_address_space_for_a_pool_instances_are_made_one_by_one() {
        let config =
            EngineConfig { guest_threads: 10_000_000, max_guest_memory: u64::MAX, ..EngineConfig::default() };
        let pooled = InstanceAllocationStrategy::Pooling(pool(config.runs()));
        let pooled = wasmtime::Engine::new(base().allocation_strategy(pooled));
        assert!(pooled.is_err(), "there was room for 20 million memories");
        assert!(tool_engine(&config).is_ok());
    }
}
