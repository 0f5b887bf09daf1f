//! How a guest ended, from what wasmtime says.

use longhouse_core::Outcome;
use wasmtime::Trap;
use wasmtime_wasi::I32Exit;

use crate::command::BrokenPipe;
use crate::limits::Refused;
use crate::stop::Stop;

/// The exit status of what writes where nobody reads: that of a program that SIGPIPE ends.
const SIGPIPE: u8 = 141;

/// Said when a run wanted more memory than the others had left, within its own limit.
const BUDGET_SPENT: &str = "the server's memory for guests is in use; try again later";

/// What the guest's `run` came to.
pub(crate) type Ended = wasmtime::Result<Result<(), ()>>;

/// The outcome of a guest that ended by itself or was interrupted. A guest that was refused memory and then
/// died, died of that, whatever it did on the way down.
pub(crate) fn outcome(ended: Ended, stop: &Stop, refused: Option<Refused>) -> Outcome {
    let error = match ended {
        Ok(Ok(())) => return Outcome::Exited(0),
        Ok(Err(())) => return Outcome::Exited(1),
        Err(error) => error,
    };
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Outcome::Exited(u8::try_from(*code).unwrap_or(u8::MAX));
    }
    if error.downcast_ref::<BrokenPipe>().is_some() {
        return Outcome::Exited(SIGPIPE);
    }
    if let Some(why) = stop.why() {
        return why.outcome();
    }
    match refused {
        Some(Refused::Limit) => return Outcome::OutOfMemory,
        Some(Refused::Budget) => return Outcome::Killed(BUDGET_SPENT.to_owned()),
        None => {}
    }
    let reason = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    Outcome::Trapped(reason.lines().next().unwrap_or_default().to_owned())
}
