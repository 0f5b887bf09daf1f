//! Asking a run to stop, and knowing when it must.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use longhouse_core::{Limits, Outcome};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

/// The longest that a run can be given, because the clock cannot count for ever.
const MAX_WALL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why a run was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// It reached its wall-clock or CPU limit.
    Limit,
    /// Somebody asked for it, and said this.
    Killed(String),
}

impl Why {
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Limit => Outcome::TimedOut,
            Self::Killed(reason) => Outcome::Killed(reason),
        }
    }
}

/// A run's deadline, and the wish that it stop earlier. The first reason given is the one that counts.
#[derive(Debug)]
pub(crate) struct Stop {
    deadline: Instant,
    cpu_limit: Duration,
    why: watch::Sender<Option<Why>>,
}

/// What a guest's call ends with when it was interrupted.
#[derive(Debug, thiserror::Error)]
#[error("the run was stopped")]
pub(crate) struct Interrupted;

impl Stop {
    /// For a run that begins now.
    pub(crate) fn new(limits: &Limits) -> Self {
        let deadline = Instant::now() + limits.wall.min(MAX_WALL);
        Self { deadline, cpu_limit: limits.cpu, why: watch::Sender::new(None) }
    }

    /// Asks the run to stop.
    pub(crate) fn request(&self, why: Why) {
        self.why.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert(why);
            first
        });
    }

    /// Why the run was asked to stop, if it was.
    pub(crate) fn why(&self) -> Option<Why> {
        self.why.borrow().clone()
    }

    /// Waits until the run is asked to stop, or reaches its deadline.
    pub(crate) async fn requested(&self) {
        let mut why = self.why.subscribe();
        let asked = why.wait_for(Option::is_some);
        if tokio::time::timeout_at(self.deadline.into(), asked).await.is_err() {
            self.request(Why::Limit);
        }
    }

    /// Whether the run, which has spent so much CPU time, has to stop.
    pub(crate) fn is_due(&self, cpu: Duration) -> bool {
        if Instant::now() >= self.deadline || cpu >= self.cpu_limit {
            self.request(Why::Limit);
        }
        self.why.borrow().is_some()
    }

    /// The outcome of a run that was stopped.
    pub(crate) fn outcome(&self) -> Outcome {
        self.why().unwrap_or(Why::Limit).outcome()
    }
}

/// CPU time that a run has spent on all its threads. A thread works for one run at a time.
#[derive(Debug, Default)]
pub(crate) struct Cpu {
    spent_us: AtomicU64,
}

thread_local! {
    /// Up to where this thread's time is somebody's.
    static CHARGED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

impl Cpu {
    /// Has this thread's time counted from now on. That of a new thread counts from its start.
    pub(crate) fn begin(&self) {
        CHARGED.set(thread_cpu());
    }

    /// Counts what this thread has spent since that was last done, and says what the run has spent in all.
    pub(crate) fn charge(&self) -> Duration {
        let now = thread_cpu();
        let more = now.saturating_sub(CHARGED.replace(now));
        let more = u64::try_from(more.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.spent_us.fetch_add(more, Ordering::Relaxed).saturating_add(more))
    }

    /// What was counted so far.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_micros(self.spent_us.load(Ordering::Relaxed))
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
