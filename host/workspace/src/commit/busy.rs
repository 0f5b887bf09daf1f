//! Which sets this process is putting in place.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};

use longhouse_core::ReservationId;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Busy {
    sets: Mutex<BTreeSet<ReservationId>>,
    ended: Condvar,
}

/// One of them, until it is dropped.
pub(super) struct AtWork<'a> {
    busy: &'a Busy,
    set: ReservationId,
}

impl Busy {
    pub(super) fn begin(&self, set: ReservationId) -> AtWork<'_> {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).insert(set);
        AtWork { busy: self, set }
    }

    pub(super) fn has(&self, set: ReservationId) -> bool {
        self.sets.lock().unwrap_or_else(PoisonError::into_inner).contains(&set)
    }

    /// Returns when nobody is at work on this set.
    pub(super) fn wait_for(&self, set: ReservationId) {
        let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        // A poisoned lock is as good as another: nobody changes half of a set.
        let _ended = self.ended.wait_while(sets, |sets| sets.contains(&set));
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.busy.sets.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.set);
        self.busy.ended.notify_all();
    }
}
