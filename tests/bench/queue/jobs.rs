//! The jobs that queues are filled with.

use std::sync::atomic::{AtomicU64, Ordering};

/// Of a payload.
const BYTES: usize = 64;

/// A payload that no other job of this process has: a number, padded with zeros to 64 bytes.
pub fn job() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:0BYTES$}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// So many of them.
pub fn jobs(count: usize) -> Vec<String> {
    std::iter::repeat_with(job).take(count).collect()
}
