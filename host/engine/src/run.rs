//! One run, on a guest's thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use longhouse_core::Outcome;
use tokio::runtime::Runtime;
use wasmtime::Store;
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::handle::Run;
use crate::outcome::{Ended, outcome};
use crate::run_state::RunState;
use crate::stop::{CpuClock, Interrupted};
use crate::threads::Left;

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
) -> Left {
    let cpu = CpuClock::start();
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(HOSTCALL_BYTES);
    store.set_epoch_deadline(1);
    let watched = Arc::clone(run);
    store.epoch_deadline_callback(move |_| {
        let spent = cpu.spent();
        watched.record_cpu(spent);
        watched.stop.check(spent)
    });

    let call = async {
        tokio::select! {
            biased;
            ended = call(pre, &mut store) => ended,
            // Reached only while the guest waits in a host call; a computing one is asked at every tick.
            () = run.stop.requested() => Err(Interrupted.into()),
        }
    };
    // A panic in a host call is ours, but it is this run alone that has to end for it.
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(call)));
    run.record_cpu(cpu.spent());
    let outcome = match ended {
        Ok(ended) => outcome(ended, &run.stop, &run.memory),
        Err(_) => Outcome::Killed("the server failed in a call of this run".to_owned()),
    };
    let (place, _) = run.end(outcome);
    // Only now, when nobody waits for it any more.
    drop(store);
    if place.is_some() { Left::Place } else { Left::GivenUp }
}

async fn call(pre: &CommandPre<RunState>, store: &mut Store<RunState>) -> Ended {
    let command = pre.instantiate_async(&mut *store).await?;
    command.wasi_cli_run().call_run(store).await
}
