//! What was decided and is not yet durable.

use std::sync::Arc;
use std::time::{Duration, Instant};

use longhouse_core::{Directory, Effect, Event, EventSeq, Reply, Row, Waiter};

/// How long rows that nobody waits for may stay in memory; the "last milliseconds" that a crash may cost.
const LAZY_FOR: Duration = Duration::from_millis(20);

/// How many of them may stay.
const LAZY_ROWS: usize = 256;

/// One transaction's worth of steps, in order, and what follows from it once it is durable.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) rows: Vec<Row>,
    pub(crate) events: Vec<Event>,
    pub(crate) follow: Follow,
    first_at: Option<Instant>,
}

/// What happens after COMMIT.
#[derive(Debug, Default)]
pub(crate) struct Follow {
    /// Answers that wait for the commit.
    pub(crate) replies: Vec<(Waiter, Reply)>,
    /// The directory as of this batch, if the batch changes it.
    pub(crate) directory: Option<Arc<Directory>>,
    /// The last event of this batch, if it has any.
    pub(crate) last_event: Option<EventSeq>,
    /// What is to be done outside.
    pub(crate) effects: Vec<Effect>,
}

impl Batch {
    /// Adds to the batch; `now` is when.
    pub(crate) fn add(&mut self, rows: Vec<Row>, events: Vec<Event>, now: Instant) {
        self.first_at.get_or_insert(now);
        self.rows.extend(rows);
        self.follow.last_event = events.last().map(|event| event.seq).or(self.follow.last_event);
        self.events.extend(events);
    }

    /// Adds what is to be done outside though nothing is to be written for it.
    pub(crate) fn add_effects(&mut self, effects: Vec<Effect>, now: Instant) {
        if !effects.is_empty() {
            self.first_at.get_or_insert(now);
            self.follow.effects.extend(effects);
        }
    }

    /// Whether there is nothing to be written.
    pub(crate) const fn is_unwritten(&self) -> bool {
        self.rows.is_empty() && self.events.is_empty()
    }

    /// When it is to be committed: at once if somebody waits, a little later if only rows do, never if empty.
    pub(crate) fn due(&self) -> Option<Instant> {
        let first_at = self.first_at?;
        let urgent = !self.follow.replies.is_empty() || !self.follow.effects.is_empty();
        Some(if urgent || self.rows.len() >= LAZY_ROWS { first_at } else { first_at + LAZY_FOR })
    }
}
