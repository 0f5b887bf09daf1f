//! A run that has begun, as its starter sees it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use longhouse_core::{Consumption, Outcome, Output};
use tokio::sync::watch;
use wasmtime::UpdateDeadline;

use crate::OutputLog;
use crate::filesystem::Counters;
use crate::limits::RunMemory;
use crate::stop::{Cpu, Interrupted, Stop, Why};
use crate::threads::{GuestThreads, Place};

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

/// What the threads of a run and its watchers share.
pub(crate) struct Run {
    pub(crate) log: Arc<OutputLog>,
    pub(crate) stop: Stop,
    pub(crate) counters: Arc<Counters>,
    pub(crate) memory: Arc<RunMemory>,
    pub(crate) cpu: Cpu,
    started: Instant,
    /// Until the run ends.
    place: Mutex<Option<Place>>,
    finished: watch::Sender<Option<Arc<Finished>>>,
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

    /// Waits until the run has ended. A guest that does not come back from a host call is not waited for, as
    /// long as somebody waits here.
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
        let (place, finished) = self.run.end(self.run.stop.outcome());
        if let Some(place) = place {
            self.threads.give_up(place);
        }
        finished
    }
}

impl Run {
    /// A run that begins now, in this place.
    pub(crate) fn new(place: Place, stop: Stop, log: Arc<OutputLog>, memory: Arc<RunMemory>) -> Self {
        Self {
            log,
            stop,
            counters: Arc::default(),
            memory,
            cpu: Cpu::default(),
            started: Instant::now(),
            place: Mutex::new(Some(place)),
            finished: watch::Sender::new(None),
        }
    }

    /// Whether it has to stop, asked on a thread that works for it.
    pub(crate) fn must_stop(&self) -> bool {
        self.stop.is_due(self.cpu.charge())
    }

    /// Called from a computing guest at every tick: whether it goes on.
    pub(crate) fn goes_on(&self) -> wasmtime::Result<UpdateDeadline> {
        if self.must_stop() { Err(Interrupted.into()) } else { Ok(UpdateDeadline::Continue(1)) }
    }

    /// Ends the run with `outcome`, unless it has ended: only the first end counts, and gets the run's place.
    pub(crate) fn end(&self, outcome: Outcome) -> (Option<Place>, Arc<Finished>) {
        self.log.close();
        let mut finished = Arc::new(Finished {
            outcome,
            consumption: Consumption {
                wall: self.started.elapsed(),
                cpu: self.cpu.spent(),
                peak_memory: self.memory.peak(),
                bytes_read: self.counters.bytes_read(),
                bytes_written: self.counters.bytes_written(),
                files_opened: self.counters.files_opened(),
            },
            output: self.log.output(),
        });
        let mut place = None;
        self.finished.send_if_modified(|ended| match ended {
            Some(first) => {
                finished = Arc::clone(first);
                false
            }
            None => {
                *ended = Some(Arc::clone(&finished));
                place = self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
                true
            }
        });
        (place, finished)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use longhouse_core::Limits;

    use super::*;
    use crate::limits::MemoryBudget;
    use crate::threads::Left;

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_does_not_come_back_from_a_host_call_is_answered_without_it() {
        let threads = Arc::new(GuestThreads::start(1).unwrap());
        let place = threads.place().await.unwrap();
        let stop = Stop::new(&Limits { wall: Duration::from_secs(60), ..Limits::default() });
        let log = Arc::new(OutputLog::new(100));
        let memory = Arc::new(RunMemory::new(Arc::new(MemoryBudget::new(0, 0)), 0));
        let run = Arc::new(Run::new(place, stop, log, memory));
        let (release, blocked) = mpsc::channel::<()>();
        let (back, came_back) = mpsc::channel();
        threads.run({
            let run = Arc::clone(&run);
            move || {
                let _ = blocked.recv();
                back.send(run.end(Outcome::Exited(0)).0.is_some()).unwrap();
                Left::GivenUp
            }
        });

        let handle = RunHandle { run, threads: Arc::clone(&threads) };
        assert_eq!(handle.finished().await.outcome, Outcome::TimedOut);
        assert!(threads.place().await.is_ok(), "its place is free again");
        drop(release);
        assert!(!came_back.recv().unwrap(), "it was not the first to end the run");
        assert_eq!(handle.finished().await.outcome, Outcome::TimedOut);
    }
}
