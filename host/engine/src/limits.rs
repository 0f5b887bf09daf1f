//! Memory: what a run may hold, and what all of them may.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::ResourceLimiter;

/// What a table costs the host, per element: a function reference with its type.
const TABLE_ELEMENT_BYTES: u64 = 16;

/// Memory that a run has for certain, in bytes: enough for a small command, so that one that began is not at
/// once in want of what others hold.
pub(crate) const RESERVED: u64 = 16 << 20;

/// Core instances, memories and tables that one run may have; a command needs fewer than ten.
const MAX_INSTANCES: usize = 64;

/// What all runs of a server may hold together, beyond what each has for certain.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    used: AtomicU64,
    total: u64,
}

/// What one run holds, over all its instances.
#[derive(Debug)]
pub(crate) struct RunMemory {
    budget: Arc<MemoryBudget>,
    limit: u64,
    held: Mutex<u64>,
    peak: AtomicU64,
}

/// Why memory was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The run has reached its own limit.
    Limit,
    /// The runs of the server have reached theirs.
    Budget,
}

/// Sums what an instance holds over all its memories and tables, within what its run may hold.
pub(crate) struct MemoryLimit {
    run: Arc<RunMemory>,
    held: u64,
    refused: Option<Refused>,
}

impl MemoryBudget {
    /// A budget of `total` bytes for up to `runs` runs at once.
    pub(crate) const fn new(total: u64, runs: u32) -> Self {
        Self { used: AtomicU64::new(0), total: total.saturating_sub(runs as u64 * RESERVED) }
    }

    fn take(&self, bytes: u64) -> bool {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.total);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl RunMemory {
    /// At most `limit` bytes, within what is left of `budget`.
    pub(crate) const fn new(budget: Arc<MemoryBudget>, limit: u64) -> Self {
        Self { budget, limit, held: Mutex::new(0), peak: AtomicU64::new(0) }
    }

    /// The most that was held at once, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    fn grow(&self, bytes: u64) -> Result<(), Refused> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let more = held.saturating_add(bytes);
        if more > self.limit {
            return Err(Refused::Limit);
        }
        if !self.budget.take(beyond_reserve(more) - beyond_reserve(*held)) {
            return Err(Refused::Budget);
        }
        *held = more;
        self.peak.fetch_max(more, Ordering::Relaxed);
        Ok(())
    }

    fn shrink(&self, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let less = held.saturating_sub(bytes);
        self.budget.give_back(beyond_reserve(*held) - beyond_reserve(less));
        *held = less;
    }
}

impl MemoryLimit {
    /// For an instance of this run.
    pub(crate) const fn new(run: Arc<RunMemory>) -> Self {
        Self { run, held: 0, refused: None }
    }

    /// Whether more was asked for than there may be, and which limit was reached first.
    pub(crate) const fn refused(&self) -> Option<Refused> {
        self.refused
    }

    fn grow(&mut self, bytes: u64) -> bool {
        match self.run.grow(bytes) {
            Ok(()) => {
                self.held += bytes;
                true
            }
            Err(refused) => {
                self.refused.get_or_insert(refused);
                false
            }
        }
    }
}

const fn beyond_reserve(held: u64) -> u64 {
    held.saturating_sub(RESERVED)
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        self.run.shrink(self.held);
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // What the guest's own type forbids fails anyway, and must not be counted.
        let allowed = maximum.is_none_or(|maximum| desired <= maximum);
        Ok(allowed && self.grow(bytes(desired.saturating_sub(current))))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = maximum.is_none_or(|maximum| desired <= maximum);
        let more = bytes(desired.saturating_sub(current)).saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(allowed && self.grow(more))
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
        MemoryLimit::new(Arc::new(RunMemory::new(Arc::clone(budget), pages * PAGE as u64)))
    }

    #[test]
    fn memories_and_tables_of_one_run_are_summed() {
        let budget = Arc::new(MemoryBudget::new(u64::MAX, 1));
        let mut run = limit(&budget, 4);
        assert!(run.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(run.memory_growing(0, PAGE, None).unwrap(), "a second memory");
        assert!(run.memory_growing(2 * PAGE, 3 * PAGE, None).unwrap());
        assert_eq!((run.run.peak(), run.refused()), (4 * PAGE as u64, None));
        assert!(!run.table_growing(0, 1, None).unwrap(), "a table with one element too many");
        assert!(!run.memory_growing(PAGE, 2 * PAGE, None).unwrap(), "one page too many");
        assert_eq!((run.run.peak(), run.refused()), (4 * PAGE as u64, Some(Refused::Limit)));
    }

    #[test]
    fn instances_of_one_run_share_its_limit_and_give_back_what_they_held() {
        let budget = Arc::new(MemoryBudget::new(u64::MAX, 1));
        let run = Arc::new(RunMemory::new(budget, 3 * PAGE as u64));
        let (mut one, mut two) = (MemoryLimit::new(Arc::clone(&run)), MemoryLimit::new(Arc::clone(&run)));
        assert!(one.memory_growing(0, 2 * PAGE, None).unwrap());
        assert!(!two.memory_growing(0, 2 * PAGE, None).unwrap());
        assert_eq!((one.refused(), two.refused()), (None, Some(Refused::Limit)));
        drop(one);
        assert!(two.memory_growing(0, 2 * PAGE, None).unwrap());
        assert_eq!(run.peak(), 2 * PAGE as u64);
    }

    #[test]
    fn growing_beyond_a_memory_s_own_maximum_costs_nothing() {
        let budget = Arc::new(MemoryBudget::new(u64::MAX, 1));
        let mut run = limit(&budget, 4);
        assert!(!run.memory_growing(0, 2 * PAGE, Some(PAGE)).unwrap());
        assert!(!run.table_growing(0, 2, Some(1)).unwrap());
        assert_eq!((run.run.peak(), run.refused()), (0, None));
    }

    #[test]
    fn all_runs_together_stay_within_the_budget_and_give_back() {
        let reserved = usize::try_from(RESERVED).unwrap();
        let budget = Arc::new(MemoryBudget::new(2 * RESERVED + PAGE as u64, 2));
        let (mut one, mut two) = (limit(&budget, 1_000), limit(&budget, 1_000));
        assert!(one.memory_growing(0, reserved + PAGE, None).unwrap());
        assert!(two.memory_growing(0, reserved, None).unwrap(), "this much is certain");
        assert!(!two.memory_growing(reserved, reserved + PAGE, None).unwrap());
        assert_eq!(two.refused(), Some(Refused::Budget));
        drop(one);
        assert!(two.memory_growing(reserved, reserved + PAGE, None).unwrap());
        drop(two);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
