//! One run, on a guest's thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use longhouse_core::Outcome;

use crate::command::{Begins, Programs, Started, run_shell};
use crate::threads::Left;

/// Runs what a run was started for to its end, and tells that to the run.
pub(crate) fn run_to_end(programs: &Arc<Programs>, begins: Begins, started: Started) -> Left {
    let run = &programs.run;
    run.cpu.begin();
    // A panic in a host call is ours, but it is this run alone that has to end for it.
    let ended = catch_unwind(AssertUnwindSafe(|| match begins {
        Begins::Guest(pre) => {
            let (outcome, store) = programs.guest(&pre, started);
            (outcome, Some(store))
        }
        Begins::Shell => (run_shell(programs, started), None),
    }));
    run.cpu.charge();
    let failed = || (Outcome::Killed("the server failed in a call of this run".to_owned()), None);
    let (outcome, store) = ended.unwrap_or_else(|_| failed());
    let (place, _) = run.end(outcome);
    // Only now, when nobody waits for it any more.
    drop(store);
    if place.is_some() { Left::Place } else { Left::GivenUp }
}
