//! What tests compare and check of the state of commits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::table::Table;
use super::flights::InFlight;
use super::{Commits, Reservation};
use crate::{AgentName, Commit, CommitNumber, Hold, ReservationId, Timestamp, Waiter};

/// What a restart keeps.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Durable {
    last: CommitNumber,
    /// Whether each is published, too.
    unfinished: Vec<(Arc<Commit>, bool)>,
    unaware: BTreeMap<AgentName, Hold>,
}

impl Commits {
    pub(crate) fn durable(&self) -> Durable {
        let unfinished =
            self.in_flight.values().map(|one| (Arc::clone(&one.commit), one.is_published)).collect();
        Durable { last: self.last, unfinished, unaware: self.unaware.clone() }
    }

    /// Who waits, until when.
    pub(crate) fn who_waits(&self) -> Vec<(ReservationId, Waiter, Timestamp)> {
        self.waiting.iter().map(|(id, set)| (*id, set.waiter, set.until)).collect()
    }

    /// Who has its paths, until when.
    pub(crate) fn who_has(&self) -> Vec<(ReservationId, Timestamp)> {
        self.live.iter().map(|(id, set)| (*id, set.deadline)).collect()
    }

    /// Who follows a request.
    pub(crate) fn who_follows(&self) -> Vec<(Waiter, Timestamp)> {
        self.requests.followers.values().map(|follower| (follower.waiter, follower.until)).collect()
    }

    /// Commits that are not finished: whether published, safe, recovered, and still keeping their paths.
    pub(crate) fn flights(&self) -> Vec<(CommitNumber, [bool; 4])> {
        let flags = |one: &InFlight| [one.is_published, one.is_synced, one.is_recovered, one.keeps.is_some()];
        self.in_flight.iter().map(|(number, one)| (*number, flags(one))).collect()
    }

    /// Fails unless every order follows from the sets.
    pub(crate) fn check_orders(&self) {
        let untils: BTreeSet<_> = self.waiting.iter().map(|(id, set)| (set.until, *id)).collect();
        assert_eq!(self.untils, untils);
        let deadlines: BTreeSet<_> = self.live.iter().map(|(id, set)| (set.deadline, *id)).collect();
        assert_eq!(self.deadlines, deadlines);
        let followers: BTreeSet<_> =
            self.requests.followers.iter().map(|(key, follower)| (follower.until, key.clone())).collect();
        assert_eq!(self.requests.untils, followers);
        assert!(self.ready.is_empty() && self.requests.again.is_empty(), "somebody was not served");

        let mut sets: BTreeMap<ReservationId, &Reservation> = BTreeMap::new();
        sets.extend(self.waiting.iter().map(|(id, set)| (*id, &set.facts.paths)));
        sets.extend(self.live.iter().map(|(id, set)| (*id, &set.facts.paths)));
        sets.extend(
            self.in_flight.values().filter_map(|one| Some((one.commit.reservation, one.keeps.as_ref()?))),
        );
        let mut table = Table::default();
        sets.iter().for_each(|(id, paths)| table.add(*id, paths));
        assert_eq!(self.table, table, "the table is not that of the sets");
        assert_eq!(self.paths, sets.values().map(|paths| paths.len()).sum::<usize>());

        for ((agent, key), (keyed, id)) in &self.requests.running {
            let facts = self.waiting.get(id).map(|set| &set.facts);
            let facts = facts.or_else(|| self.live.get(id).map(|set| &set.facts));
            let of_set = facts.map(|facts| (facts.agent().cloned(), facts.keyed.clone()));
            let of_commit = || {
                let commit = self.in_flight.values().find(|one| one.commit.reservation == *id)?;
                assert!(!commit.is_published, "the key of a published commit is remembered");
                Some((commit.commit.agent.clone(), commit.commit.keyed.clone()))
            };
            assert_eq!(of_set.or_else(of_commit), Some((Some(agent.clone()), Some(keyed.clone()))));
            assert_eq!(keyed.key, *key);
        }
        let running = &self.requests.running;
        assert!(
            self.requests.followers.keys().all(|key| running.contains_key(key)),
            "somebody follows nobody"
        );
    }
}
