//! Memory: what a run may hold, and what all of them may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use wasmtime::ResourceLimiter;

/// What a table costs the host, per element: a function reference with its type.
const TABLE_ELEMENT_BYTES: u64 = 16;

/// Core instances, memories and tables that one run may have; a command needs fewer than ten.
const MAX_INSTANCES: usize = 64;

/// The memory of all guests of a server.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    used: AtomicU64,
    total: u64,
}

/// What became of one run's memory, for those who outlive its store.
#[derive(Debug, Default)]
pub(crate) struct MemoryUse {
    peak: AtomicU64,
    refused: AtomicBool,
}

/// Sums what a run holds over all its memories and tables.
pub(crate) struct MemoryLimit {
    budget: Arc<MemoryBudget>,
    usage: Arc<MemoryUse>,
    limit: u64,
    held: u64,
}

impl MemoryBudget {
    /// A budget of `total` bytes.
    pub(crate) const fn new(total: u64) -> Self {
        Self { used: AtomicU64::new(0), total }
    }

    fn take(&self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.total);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

impl MemoryUse {
    /// The most that was held at once, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Whether more was asked for than there may be.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

impl MemoryLimit {
    /// A limit of `limit` bytes, within what is left of `budget`.
    pub(crate) const fn new(budget: Arc<MemoryBudget>, usage: Arc<MemoryUse>, limit: u64) -> Self {
        Self { budget, usage, limit, held: 0 }
    }

    fn grow(&mut self, bytes: u64) -> bool {
        let held = self.held.saturating_add(bytes);
        if held > self.limit || !self.budget.take(bytes) {
            self.usage.refused.store(true, Ordering::Relaxed);
            return false;
        }
        self.held = held;
        self.usage.peak.fetch_max(held, Ordering::Relaxed);
        true
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(bytes(desired.saturating_sub(current))))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(bytes(desired.saturating_sub(current)).saturating_mul(TABLE_ELEMENT_BYTES)))
    }

    fn instances(&self) -> usize {
        MAX_INSTANCES
    }

    fn memories(&self) -> usize {
        MAX_INSTANCES
    }

    fn tables(&self) -> usize {
        MAX_INSTANCES
    }
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 65_536;

    fn limit(budget: &Arc<MemoryBudget>, pages: u64) -> MemoryLimit {
        MemoryLimit::new(Arc::clone(budget), Arc::default(), pages * PAGE as u64)
    }

    #[test]
    fn memories_and_tables_of_one_run_are_summed() {
        let budget = Arc::new(MemoryBudget::new(u64::MAX));
        let mut run = limit(&budget, 4);
        assert!(run.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(run.memory_growing(0, PAGE, None).unwrap(), "a second memory");
        assert!(!run.table_growing(0, PAGE, None).unwrap(), "a table of 16 pages");
        assert!(run.memory_growing(2 * PAGE, 3 * PAGE, None).unwrap());
        assert!(!run.usage.was_refused() || run.usage.peak() == 4 * PAGE as u64);
        assert!(!run.memory_growing(PAGE, 2 * PAGE, None).unwrap(), "one page too many");
        assert!(run.usage.was_refused());
        assert_eq!(run.usage.peak(), 4 * PAGE as u64);
    }

    #[test]
    fn all_runs_together_stay_within_the_budget_and_give_back() {
        let budget = Arc::new(MemoryBudget::new(3 * PAGE as u64));
        let (mut one, mut two) = (limit(&budget, 10), limit(&budget, 10));
        assert!(one.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(!two.memory_growing(0, 2 * PAGE, None).unwrap());
        drop(one);
        assert!(two.memory_growing(0, 2 * PAGE, None).unwrap());
        drop(two);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
