//! The disk that all queues wait for.

use std::io::{Seek as _, Write as _};
use std::time::{Duration, Instant};

/// How often a second a block of 4 KiB below `TMPDIR` can be overwritten and synced: what a queue that syncs for every
/// operation cannot exceed. Far more than some thousands means that nothing there is durable.
pub fn syncs_per_second() -> anyhow::Result<f64> {
    const TIME: Duration = Duration::from_millis(500);
    let mut file = tempfile::tempfile()?;
    let mut count = 0;
    let began = Instant::now();
    while began.elapsed() < TIME {
        file.rewind()?;
        file.write_all(&[0; 4096])?;
        file.sync_all()?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
