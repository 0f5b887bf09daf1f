//! What one run has: built when it begins, gone when it ends.

use std::sync::Arc;

use longhouse_core::Stream;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::RunSpec;
use crate::filesystem::{Counters, FsState, FsView, HasFs};
use crate::limits::MemoryLimit;
use crate::output::{OutputLog, Sink};

/// Descriptors, streams and pollables beyond files that a run may have at once.
const MAX_OTHER_RESOURCES: usize = 4_096;

/// The most randomness one call may ask for, in bytes.
const MAX_RANDOM: u64 = 1 << 20;

/// The data of one run's store.
pub(crate) struct RunState {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) memory: MemoryLimit,
    fs: FsState,
}

impl RunState {
    /// The state of a run that has been admitted. What the guest sees besides the project:
    ///
    /// - its arguments, and the environment of the request, but for `PWD` and `HOME`; nothing of the server's
    /// - the given bytes as standard input, and the log as standard output and error
    /// - the machine's clocks and randomness
    /// - no network
    pub(crate) fn new(
        spec: &RunSpec,
        log: &Arc<OutputLog>,
        counters: Arc<Counters>,
        memory: MemoryLimit,
    ) -> Self {
        let mut builder = WasiCtx::builder();
        for (name, value) in &spec.env {
            if !matches!(name.as_str(), "HOME" | "PWD") {
                builder.env(name, value);
            }
        }
        builder
            .args(&spec.argv)
            .env("HOME", "/")
            .env("PWD", format!("/{}", spec.cwd.as_str()))
            .stdin(MemoryInputPipe::new(spec.stdin.clone()))
            .stdout(Sink::new(Arc::clone(log), Stream::Stdout))
            .stderr(Sink::new(Arc::clone(log), Stream::Stderr))
            .allow_blocking_current_thread(true)
            .allow_ip_name_lookup(false)
            .allow_tcp(false)
            .allow_udp(false)
            .max_random_size(MAX_RANDOM);
        let max_open = spec.limits.files;
        let mut table = ResourceTable::new();
        // A file being read is a descriptor and a stream.
        let files = usize::try_from(max_open).unwrap_or(usize::MAX);
        table.set_max_capacity(files.saturating_mul(2).saturating_add(MAX_OTHER_RESOURCES));
        let fs = FsState::new(spec.view.clone(), max_open, counters);
        Self { wasi: builder.build(), table, memory, fs }
    }
}

impl WasiView for RunState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl HasFs for RunState {
    fn fs(&mut self) -> FsView<'_> {
        FsView { table: &mut self.table, fs: &mut self.fs }
    }
}
