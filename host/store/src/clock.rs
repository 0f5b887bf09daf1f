//! The one place that asks what time it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use longhouse_core::Timestamp;

/// A source of the present time. Never goes backwards.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock. Where that is set back, it goes on at its own pace until the machine's has caught up.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
    /// The most that the machine's clock was ever ahead of the time since `began`, in milliseconds.
    offset_ms: AtomicU64,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { began: Instant::now(), offset_ms: AtomicU64::new(0) }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let elapsed_ms = millis(self.began.elapsed());
        let offset_ms = millis(since_epoch).saturating_sub(elapsed_ms);
        let offset_ms = self.offset_ms.fetch_max(offset_ms, Ordering::Relaxed).max(offset_ms);
        Timestamp::from_millis(elapsed_ms.saturating_add(offset_ms))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
