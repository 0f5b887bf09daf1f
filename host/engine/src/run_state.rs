//! What one program of a run has: built when it begins, gone when it ends.

use std::sync::Arc;

use longhouse_shell::Program;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::command::{HasProcess, Process, Programs, Started, Stdin, Stdout};
use crate::filesystem::{FsState, FsView, HasFs};
use crate::limits::MemoryLimit;
use crate::manifest::WithoutStdin;

/// Descriptors, streams and pollables beyond files that a run may have at once.
const MAX_OTHER_RESOURCES: usize = 4_096;

/// The most randomness one call may ask for, in bytes.
const MAX_RANDOM: u64 = 1 << 20;

/// The data of one program's store.
pub(crate) struct RunState {
    pub(crate) wasi: WasiCtx,
    pub(crate) table: ResourceTable,
    pub(crate) memory: MemoryLimit,
    fs: FsState,
    process: Process,
}

impl RunState {
    /// The state of a program of a run that has been admitted. What the guest sees besides the project:
    ///
    /// - its arguments and environment, and in `PWD` where it starts; nothing of the server's
    /// - the streams that it was given
    /// - the other commands of the run
    /// - the machine's clocks and randomness
    /// - no network
    pub(crate) fn new(
        programs: &Arc<Programs>,
        without_stdin: WithoutStdin,
        started: Started,
        memory: MemoryLimit,
    ) -> Self {
        let Started { program, depth } = started;
        let Program { argv, environment, cwd, stdin, stdout, stderr } = program;
        let mut builder = WasiCtx::builder();
        for (name, value) in environment.iter().filter(|(name, _)| name != "PWD") {
            builder.env(name, value);
        }
        builder
            .args(&argv)
            .env("PWD", &cwd)
            .stdin(Stdin::new(stdin.clone(), without_stdin))
            .stdout(Stdout(stdout.clone()))
            .stderr(Stdout(stderr.clone()))
            .allow_blocking_current_thread(true)
            .allow_ip_name_lookup(false)
            .allow_tcp(false)
            .allow_udp(false)
            .max_random_size(MAX_RANDOM);
        let mut table = ResourceTable::new();
        // A file being read is a descriptor and a stream.
        let files = usize::try_from(programs.max_files).unwrap_or(usize::MAX);
        table.set_max_capacity(files.saturating_mul(2).saturating_add(MAX_OTHER_RESOURCES));
        let counters = Arc::clone(&programs.run.counters);
        let fs = FsState::new(programs.mounts.clone(), Arc::clone(&programs.files), counters);
        let process =
            Process { programs: Arc::clone(programs), depth, environment, cwd, stdin, stdout, stderr };
        Self { wasi: builder.build(), table, memory, fs, process }
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

impl HasProcess for RunState {
    fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
