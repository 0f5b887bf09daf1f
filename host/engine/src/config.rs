//! What the engine is set up with, and how that sets up wasmtime.

use std::path::PathBuf;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Where compiled tools are kept: a directory that nobody else may write. `None` compiles at every start.
    pub cache_dir: Option<PathBuf>,
    /// Guests that run at the same time; each has a thread.
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
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config.guest_threads)));
    wasmtime::Engine::new(&pooled).or_else(|error| {
        tracing::warn!(error = %error, "no address space for pooled instances; starting each by itself");
        wasmtime::Engine::new(&base())
    })
}

/// A pool with room for twice as many runs as there are threads, because a store is dropped only after its
/// run was answered. A component made from a command has one memory, and a few small core instances and
/// tables that glue the adapter to it.
fn pool(guest_threads: u32) -> PoolingAllocationConfig {
    let runs = guest_threads.saturating_mul(2).max(2);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(runs)
        .total_core_instances(runs.saturating_mul(8))
        .total_memories(runs.saturating_mul(2))
        .total_tables(runs.saturating_mul(8))
        .total_stacks(runs)
        .max_memories_per_component(2)
        .max_core_instances_per_component(16)
        .max_tables_per_component(16)
        .max_core_instance_size(4 << 20)
        .table_elements(100_000)
        .max_memory_size(4 << 30)
        // Kept from one run to the next, so that a small guest touches no fresh page; only pages that were
        // written are cleared, where the kernel tells which.
        .linear_memory_keep_resident(2 << 20)
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(8 << 10)
        .async_stack_keep_resident(16 << 10);
    pool
}
