//! The latest events in memory, so that many who follow them do not each ask the database.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use longhouse_core::EventSeq;

use crate::{EventFilter, StoredEvent};

/// How many are kept: at the rate of a busy project, some seconds' worth.
const KEPT: usize = 4_096;

/// The events after some point, without a gap.
#[derive(Debug, Default)]
pub(crate) struct Recent(RwLock<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// The number that the first of them has, or the next one will have.
    begin: u64,
    events: VecDeque<Arc<StoredEvent>>,
}

impl Recent {
    /// Forgets all. What comes next has the number after `last`.
    pub(crate) fn begin_after(&self, last: EventSeq) {
        let mut ring = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *ring = Ring { begin: last.0 + 1, events: VecDeque::new() };
    }

    /// Adds what was just committed.
    pub(crate) fn add(&self, events: Vec<StoredEvent>) {
        let mut ring = self.0.write().unwrap_or_else(PoisonError::into_inner);
        ring.events.extend(events.into_iter().map(Arc::new));
        let over = ring.events.len().saturating_sub(KEPT);
        ring.events.drain(..over);
        ring.begin += over as u64;
    }

    /// Those that fit; `None` if some that may fit are not kept any more.
    pub(crate) fn list(&self, filter: &EventFilter) -> Option<Vec<Arc<StoredEvent>>> {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let skipped = filter.after.saturating_add(1).checked_sub(ring.begin)?;
        let new = ring.events.iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX));
        let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
        Some(new.filter(|event| filter.fits(event)).take(limit).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use longhouse_core::Timestamp;
    use serde_json::value::RawValue;

    use super::*;

    fn event(seq: u64) -> StoredEvent {
        StoredEvent {
            seq: EventSeq(seq),
            at: Timestamp::from_millis(seq),
            kind: if seq.is_multiple_of(2) { "task.claimed" } else { "run.ended" }.to_owned(),
            agent: None,
            task: None,
            run: None,
            data: RawValue::from_string("{}".to_owned()).unwrap(),
        }
    }

    fn list(recent: &Recent, after: u64, limit: u32) -> Option<Vec<u64>> {
        let types = vec!["task.".to_owned()];
        let listed = recent.list(&EventFilter { after, types, task: None, limit });
        listed.map(|events| events.iter().map(|event| event.seq.0).collect())
    }

    #[test]
    fn what_is_kept_has_no_gap_and_what_is_older_is_the_databases() {
        let recent = Recent::default();
        recent.begin_after(EventSeq(10));
        assert_eq!(list(&recent, 10, 9), Some(vec![]));
        assert_eq!(list(&recent, 9, 9), None, "the event 10 is not here");
        recent.add((11..=15).map(event).collect());
        assert_eq!(list(&recent, 10, 9), Some(vec![12, 14]));
        assert_eq!(list(&recent, 12, 9), Some(vec![14]));
        assert_eq!(list(&recent, 10, 1), Some(vec![12]));
        assert_eq!(list(&recent, 99, 9), Some(vec![]));
        recent.add((16..16 + KEPT as u64).map(event).collect());
        assert_eq!(list(&recent, 14, 9), None);
        assert_eq!(list(&recent, 15, 1), Some(vec![16]));
        recent.begin_after(EventSeq(20_000));
        assert_eq!(list(&recent, 19_999, 9), None);
    }
}
