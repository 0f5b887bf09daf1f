//! Runs that have begun and not ended, as this process knows them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use longhouse_core::{AgentName, RunId, RunRecord};
use longhouse_engine::{EngineError, RunHandle};
use tokio::sync::watch;

/// The live runs of one project.
#[derive(Default)]
pub struct LiveRuns {
    runs: Mutex<HashMap<RunId, Arc<LiveRun>>>,
    count: watch::Sender<usize>,
}

/// One of them.
pub struct LiveRun {
    /// Whose it is.
    pub agent: AgentName,
    phase: watch::Sender<Phase>,
}

/// Where a live run stands.
#[derive(Clone)]
pub enum Phase {
    /// Admitted; its tool is being compiled, or it waits for a thread.
    Waiting,
    /// Asked to stop before its guest began, for this reason.
    Cancelled(String),
    /// Its guest runs.
    Running(RunHandle),
    /// It ended, and this is its record.
    Ended(Arc<RunRecord>),
    /// It could not be started.
    Failed(Arc<EngineError>),
}

impl LiveRuns {
    /// Adds a run that was admitted.
    pub fn add(&self, id: RunId, agent: AgentName) -> Arc<LiveRun> {
        let run = Arc::new(LiveRun { agent, phase: watch::Sender::new(Phase::Waiting) });
        let mut runs = self.lock();
        runs.insert(id, Arc::clone(&run));
        self.count.send_replace(runs.len());
        run
    }

    /// The run of this id, while it is live.
    pub fn get(&self, id: RunId) -> Option<Arc<LiveRun>> {
        self.lock().get(&id).cloned()
    }

    /// All live runs.
    pub fn all(&self) -> Vec<(RunId, Arc<LiveRun>)> {
        self.lock().iter().map(|(id, run)| (*id, Arc::clone(run))).collect()
    }

    /// Takes out a run that ended.
    pub fn remove(&self, id: RunId) {
        let mut runs = self.lock();
        runs.remove(&id);
        self.count.send_replace(runs.len());
    }

    /// Asks a run to stop. One that has ended is left alone.
    pub fn kill(&self, id: RunId, reason: &str) {
        if let Some(run) = self.get(id) {
            run.kill(reason);
        }
    }

    /// Asks all runs to stop.
    pub fn kill_all(&self, reason: &str) {
        for (_, run) in self.all() {
            run.kill(reason);
        }
    }

    /// Waits until no run is live.
    pub async fn none_left(&self) {
        // The sender lives in `self`, so this ends only when the count is 0.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Waits until one that is live now has ended, but not for longer than `patience`.
    pub async fn one_less(&self, patience: Duration) {
        let mut count = self.count.subscribe();
        let before = *count.borrow_and_update();
        // Either way the caller looks again.
        let _ = tokio::time::timeout(patience, count.wait_for(|count| *count < before)).await;
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Arc<LiveRun>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveRun {
    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    /// Waits until its guest has begun, or never will.
    pub async fn begun(&self) -> Phase {
        self.wait(|phase| !matches!(phase, Phase::Waiting | Phase::Cancelled(_))).await
    }

    /// Waits until it has ended or failed.
    pub async fn ended(&self) -> Phase {
        self.wait(|phase| matches!(phase, Phase::Ended(_) | Phase::Failed(_))).await
    }

    /// Its guest runs now. If it was asked to stop before, it is asked again.
    pub fn began(&self, handle: &RunHandle) {
        let before = self.phase.send_replace(Phase::Running(handle.clone()));
        if let Phase::Cancelled(reason) = before {
            handle.kill(&reason);
        }
    }

    /// It is over.
    pub fn end(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    fn kill(&self, reason: &str) {
        self.phase.send_if_modified(|phase| match phase {
            Phase::Waiting => {
                *phase = Phase::Cancelled(reason.to_owned());
                true
            }
            Phase::Running(handle) => {
                handle.kill(reason);
                false
            }
            Phase::Cancelled(_) | Phase::Ended(_) | Phase::Failed(_) => false,
        });
    }

    async fn wait(&self, until: impl FnMut(&Phase) -> bool) -> Phase {
        let mut phase = self.phase.subscribe();
        match phase.wait_for(until).await {
            Ok(phase) => phase.clone(),
            // The sender lives in `self`.
            Err(_) => self.phase(),
        }
    }
}
