//! Commits from their intents on.

use std::sync::Arc;

use super::super::{Commit, CommitNumber, CommitStatus, Follower, LiveSet, Reservation, ReservationId};
use super::Commits;

/// A commit that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InFlight {
    pub(crate) commit: Arc<Commit>,
    pub(crate) is_published: bool,
    /// Whether what it did is safe on the disk.
    pub(crate) is_synced: bool,
    /// What it still keeps from others.
    pub(crate) keeps: Option<Reservation>,
    /// Whether an earlier state left it.
    pub(crate) is_recovered: bool,
}

impl InFlight {
    pub(crate) const fn status(&self) -> CommitStatus {
        if self.is_published { CommitStatus::Published } else { CommitStatus::Intended }
    }
}

impl Commits {
    /// What an earlier state left unfinished, by number.
    pub(crate) fn recovered(&self) -> impl Iterator<Item = &InFlight> {
        self.in_flight.values().filter(|in_flight| in_flight.is_recovered)
    }

    /// A commit that is not finished.
    pub(crate) fn in_flight(&self, number: CommitNumber) -> Option<&InFlight> {
        self.in_flight.get(&number)
    }

    /// A set that has its paths becomes a commit.
    pub(crate) fn intend(&mut self, id: ReservationId, commit: Arc<Commit>) {
        let Some(LiveSet { facts, deadline, hard_end: _ }) = self.live.remove(&id) else { return };
        self.deadlines.remove(&(deadline, id));
        self.last = commit.number;
        let keeps = Some(facts.paths);
        let in_flight =
            InFlight { is_published: false, is_synced: false, keeps, is_recovered: false, commit };
        self.in_flight.insert(in_flight.commit.number, in_flight);
    }

    /// A commit is published: its paths are free for others, and its key is answered for.
    pub(crate) fn publish(&mut self, number: CommitNumber) -> Option<Follower> {
        let in_flight = self.in_flight.get_mut(&number)?;
        (in_flight.is_published, in_flight.is_recovered) = (true, false);
        let (key, id) = (in_flight.commit.key(), in_flight.commit.reservation);
        self.let_go(number);
        self.requests.done(key, id)
    }

    /// A commit comes to nothing.
    pub(crate) fn abort(&mut self, number: CommitNumber) {
        self.let_go(number);
        let Some(InFlight { commit, .. }) = self.in_flight.remove(&number) else { return };
        self.requests.free(commit.key(), commit.reservation);
    }

    /// What a published commit did is safe.
    pub(crate) fn sync(&mut self, number: CommitNumber) {
        self.let_go(number);
        if let Some(in_flight) = self.in_flight.get_mut(&number) {
            (in_flight.is_synced, in_flight.is_recovered) = (true, false);
        }
    }

    /// Finishes every commit that is safe and before which all are. Returns the last of them.
    pub(crate) fn retire(&mut self) -> Option<CommitNumber> {
        let mut last = None;
        while let Some(first) = self.in_flight.first_entry().filter(|first| first.get().is_synced) {
            last = Some(*first.key());
            first.remove();
        }
        last
    }

    /// A commit keeps nothing from others any more.
    fn let_go(&mut self, number: CommitNumber) {
        let Some(in_flight) = self.in_flight.get_mut(&number) else { return };
        let id = in_flight.commit.reservation;
        if let Some(paths) = in_flight.keeps.take() {
            self.leave(id, &paths);
        }
    }
}
