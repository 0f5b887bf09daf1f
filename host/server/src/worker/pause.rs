//! Pauses between attempts that fail.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

/// Grows with each failure in a row, so that a server or a program in trouble is not asked ever faster.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
}

impl Pause {
    /// Waits, for less if told to stop.
    pub(super) async fn wait(&mut self, stop: &CancellationToken) {
        let whole = SHORTEST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Somewhere in its second half, so that many who failed together do not come back together.
        let random = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
        let pause = whole.mul_f64(0.5 + random / 2.0);
        // The time running out is what is waited for.
        let _ = timeout_at(Instant::now() + pause, stop.cancelled()).await;
    }
}
