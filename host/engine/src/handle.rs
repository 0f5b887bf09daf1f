//! A run that has begun, as its starter sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use longhouse_core::{Consumption, Outcome, Output};
use tokio::sync::watch;

use crate::OutputLog;
use crate::filesystem::Counters;
use crate::limits::MemoryUse;
use crate::stop::{Stop, Why};
use crate::threads::GuestThreads;

/// How long after it had to stop a guest may still be in a host call before it is answered without it.
const GRACE: Duration = Duration::from_millis(150);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What became of the guest.
    pub outcome: Outcome,
    /// What it cost.
    pub consumption: Consumption,
    /// What it wrote.
    pub output: Output,
}

/// A run that has begun. Cheap to clone; the run goes on if all are dropped.
#[derive(Clone)]
pub struct RunHandle {
    pub(crate) run: Arc<Run>,
    pub(crate) threads: Arc<GuestThreads>,
}

/// What the guest's thread and its watchers share.
pub(crate) struct Run {
    pub(crate) log: Arc<OutputLog>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) memory: Arc<MemoryUse>,
    pub(crate) started: Instant,
    pub(crate) cpu_us: AtomicU64,
    pub(crate) finished: watch::Sender<Option<Arc<Finished>>>,
}

impl RunHandle {
    /// What the guest has written, and will have.
    pub fn output(&self) -> &OutputLog {
        &self.run.log
    }

    /// Asks the guest to stop; its outcome will say `reason`, unless it ends first.
    pub fn kill(&self, reason: &str) {
        self.run.stop.request(Why::Killed(reason.to_owned()));
    }

    /// Waits until the run has ended. A guest that does not come back from a host call is not waited for.
    pub async fn finished(&self) -> Arc<Finished> {
        tokio::select! {
            biased;
            finished = self.ended() => finished,
            () = self.run.stop.requested() => {
                let ended = tokio::time::timeout(GRACE, self.ended()).await;
                ended.unwrap_or_else(|_| self.abandon())
            }
        }
    }

    async fn ended(&self) -> Arc<Finished> {
        let mut finished = self.run.finished.subscribe();
        match finished.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(finished)) => Arc::clone(finished),
            // The sender lives in `self`, and what was waited for is there.
            Ok(None) | Err(_) => self.abandon(),
        }
    }

    /// Answers for a guest that should have stopped and did not.
    fn abandon(&self) -> Arc<Finished> {
        let outcome = self.run.stop.why().unwrap_or(Why::Limit).outcome();
        let (end, finished) = self.run.end(outcome);
        match end {
            End::First if !self.threads.replace_stuck() => tracing::error!("too many threads are stuck"),
            End::First | End::Late => {}
        }
        finished
    }
}

/// Whether an end was the first that a run was given; the others count for nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    First,
    Late,
}

impl Run {
    /// Ends the run with `outcome`, unless it has ended.
    pub(crate) fn end(&self, outcome: Outcome) -> (End, Arc<Finished>) {
        self.log.close();
        let ended = Arc::new(Finished {
            outcome,
            consumption: Consumption {
                wall: self.started.elapsed(),
                cpu: Duration::from_micros(self.cpu_us.load(Ordering::Relaxed)),
                peak_memory: self.memory.peak(),
                bytes_read: self.counters.bytes_read(),
                bytes_written: self.counters.bytes_written(),
                files_opened: self.counters.files_opened(),
            },
            output: self.log.output(),
        });
        let mut result = (End::Late, Arc::clone(&ended));
        self.finished.send_if_modified(|finished| match finished {
            Some(first) => {
                result.1 = Arc::clone(first);
                false
            }
            None => {
                *finished = Some(ended);
                result.0 = End::First;
                true
            }
        });
        result
    }
}
