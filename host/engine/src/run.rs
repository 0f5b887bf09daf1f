//! One run, on a guest's thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::Runtime;
use wasmtime::Store;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::handle::Run;
use crate::outcome::{Ended, outcome};
use crate::run_state::RunState;
use crate::stop::{CpuClock, Interrupted};

/// Memory that the host may allocate for a guest in one call, in bytes: what a guest passes to be written, or
/// asks to be given.
const HOSTCALL_BYTES: usize = 16 << 20;

/// Runs a command to its end and tells it to `run`. The limits hold from before the guest is instantiated,
/// because that runs its code already.
pub(crate) fn run_guest(
    runtime: &Runtime,
    engine: &wasmtime::Engine,
    pre: &CommandPre<RunState>,
    state: RunState,
    run: &Arc<Run>,
) {
    let cpu = CpuClock::start();
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_epoch_deadline(1);
    let watched = Arc::clone(run);
    store.epoch_deadline_callback(move |_| {
        watched.record_cpu(&cpu);
        watched.stop.check(&cpu)
    });

    let ended = runtime.block_on(async {
        tokio::select! {
            biased;
            ended = call(pre, &mut store) => ended,
            // Reached only while the guest waits in a host call; a computing one is asked at every tick.
            () = run.stop.requested() => Err(Interrupted.into()),
        }
    });
    run.record_cpu(&cpu);
    run.end(outcome(ended, &run.stop, &run.memory));
    // Only now, when nobody waits for it any more.
    drop(store);
}

async fn call(pre: &CommandPre<RunState>, store: &mut Store<RunState>) -> Ended {
    let command = pre.instantiate_async(&mut *store).await?;
    command.wasi_cli_run().call_run(store).await
}

impl Run {
    fn record_cpu(&self, cpu: &CpuClock) {
        let spent = u64::try_from(cpu.spent().as_micros()).unwrap_or(u64::MAX);
        self.cpu_us.store(spent, Ordering::Relaxed);
    }
}
