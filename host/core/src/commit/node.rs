//! The line of those who want one path.

use std::collections::BTreeSet;

use super::ReservationId;

/// How a set wants a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// For itself: it is to be changed.
    Exclusive,
    /// With others: something beneath it is to be changed.
    Shared,
}

/// Those who want one path, first come first served: whoever wants it for itself waits for all before it, whoever
/// shares it for those before it who want it for themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Node {
    exclusive: BTreeSet<ReservationId>,
    shared: BTreeSet<ReservationId>,
}

impl Node {
    /// The first of those that keep this one, which is in the line or would come to its end, from the path.
    pub(super) fn obstacle(&self, id: ReservationId, mode: Mode) -> Option<ReservationId> {
        let exclusive = self.exclusive.first();
        let first = match mode {
            Mode::Exclusive => exclusive.into_iter().chain(self.shared.first()).min(),
            Mode::Shared => exclusive,
        };
        first.copied().filter(|first| *first < id)
    }

    /// Somebody joins the end of the line.
    pub(super) fn join(&mut self, id: ReservationId, mode: Mode) {
        match mode {
            Mode::Exclusive => self.exclusive.insert(id),
            Mode::Shared => self.shared.insert(id),
        };
    }

    /// Somebody leaves, wherever they stand. Returns those that nothing keeps from the path any more and something did.
    pub(super) fn leave(&mut self, id: ReservationId, mode: Mode) -> Vec<ReservationId> {
        match mode {
            Mode::Exclusive => {
                let was_first = self.exclusive.first() == Some(&id);
                self.exclusive.remove(&id);
                if !was_first {
                    return Vec::new();
                }
                // Those who share, from here to the next who does not.
                let next = self.exclusive.first().copied();
                let shared = self.shared.range(id..).copied();
                shared
                    .take_while(|sharer| next.is_none_or(|next| *sharer < next))
                    .chain(self.first_alone())
                    .collect()
            }
            Mode::Shared => {
                let was_in_the_way = self.exclusive.first().is_some_and(|first| id < *first);
                self.shared.remove(&id);
                self.first_alone().into_iter().filter(|_| was_in_the_way).collect()
            }
        }
    }

    /// The first in the line, if it wants the path for itself.
    fn first_alone(&self) -> Option<ReservationId> {
        let first = self.exclusive.first()?;
        self.shared.first().is_none_or(|sharer| first < sharer).then_some(*first)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exclusive.is_empty() && self.shared.is_empty()
    }
}
