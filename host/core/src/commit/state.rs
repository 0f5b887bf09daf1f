//! Every change set that is not finished.

mod flights;
#[cfg(test)]
mod projection;

use super::requests::Requests;
use super::table::Table;
use super::{
    CommitNumber, CommitRefusal, CommitSeed, LiveSet, Reservation, ReservationId, SetFacts, Unfinished,
    WaitingSet,
};
use crate::{AgentName, BootNumber, Hold, ProjectPath, Timestamp, Waiter};
use flights::InFlight;
use std::collections::{BTreeMap, BTreeSet};

/// The most sets that are waited for, reserved, or not finished.
const MAX_SETS: usize = 10_000;
/// The most paths that they may have together.
const MAX_PATHS: usize = 1_000_000;

/// All of them, in every order they are looked up in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commits {
    boot: BootNumber,
    last_reservation: u64,
    /// The last number given.
    pub(crate) last: CommitNumber,
    table: Table,
    waiting: BTreeMap<ReservationId, WaitingSet>,
    untils: BTreeSet<(Timestamp, ReservationId)>,
    live: BTreeMap<ReservationId, LiveSet>,
    deadlines: BTreeSet<(Timestamp, ReservationId)>,
    in_flight: BTreeMap<CommitNumber, InFlight>,
    pub(crate) requests: Requests,
    /// Sets that wait and are free.
    ready: BTreeSet<ReservationId>,
    /// Agents that lost a lease and may not know, and which.
    pub(crate) unaware: BTreeMap<AgentName, Hold>,
    /// Paths of all sets.
    paths: usize,
}

impl Commits {
    pub(crate) fn rebuild(boot: BootNumber, seed: CommitSeed) -> Self {
        let mut commits = Self {
            boot,
            last_reservation: seed.last_reservation,
            last: CommitNumber(seed.last),
            table: Table::default(),
            waiting: BTreeMap::new(),
            untils: BTreeSet::new(),
            live: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            requests: Requests::default(),
            ready: BTreeSet::new(),
            unaware: seed.unaware.into_iter().collect(),
            paths: 0,
        };
        let mut unfinished = seed.unfinished;
        unfinished.sort_by_key(|unfinished| unfinished.commit.reservation);
        for Unfinished { commit, is_published } in unfinished {
            let paths = Reservation::of(&commit.redo);
            commits.table.add(commit.reservation, &paths);
            commits.paths += paths.len();
            if let (Some(key), Some(keyed), false) = (commit.key(), &commit.keyed, is_published) {
                commits.requests.begin(key, keyed.clone(), commit.reservation);
            }
            let keeps = Some(paths);
            let in_flight = InFlight { is_published, is_synced: false, keeps, is_recovered: true, commit };
            commits.in_flight.insert(in_flight.commit.number, in_flight);
        }
        commits
    }

    /// The number of the last reservation asked for in this boot.
    pub(crate) const fn last_reservation(&self) -> u64 {
        self.last_reservation
    }

    /// A set that has its paths.
    pub(crate) fn live(&self, id: ReservationId) -> Option<&LiveSet> {
        self.live.get(&id)
    }

    /// Everybody who waits.
    pub(crate) fn waiters(&self) -> impl Iterator<Item = Waiter> {
        self.waiting.values().map(|set| set.waiter).chain(self.requests.waiters())
    }

    /// When something has to be decided though nobody asks.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let until = self.untils.first().map(|(at, _)| *at);
        let deadline = self.deadlines.first().map(|(at, _)| *at);
        let follower = self.requests.first_until();
        [until, deadline, follower].into_iter().flatten().min()
    }

    /// What keeps a set that comes now from these paths: one of them, and whose set is in the way.
    pub(crate) fn obstacle<'a>(
        &self,
        paths: &'a Reservation,
    ) -> Option<(&'a ProjectPath, Option<AgentName>)> {
        let id = ReservationId { boot: self.boot, number: self.last_reservation + 1 };
        let (path, other) = self.table.obstacle(id, paths)?;
        Some((path, self.agent_of(other)))
    }

    /// The same for a set that waits.
    pub(crate) fn obstacle_of(&self, id: ReservationId) -> Option<(&ProjectPath, Option<AgentName>)> {
        let (path, other) = self.table.obstacle(id, &self.waiting.get(&id)?.facts.paths)?;
        Some((path, self.agent_of(other)))
    }

    fn agent_of(&self, id: ReservationId) -> Option<AgentName> {
        let waiting = self.waiting.get(&id).map(|set| &set.facts);
        let facts = waiting.or_else(|| self.live.get(&id).map(|set| &set.facts));
        let in_flight = || self.in_flight.values().find(|in_flight| in_flight.commit.reservation == id);
        match facts {
            Some(facts) => facts.agent().cloned(),
            None => in_flight().and_then(|in_flight| in_flight.commit.agent.clone()),
        }
    }

    /// Whether there is room for a set of these paths.
    pub(crate) fn room_for(&self, paths: &Reservation) -> Result<(), CommitRefusal> {
        let sets = self.waiting.len() + self.live.len() + self.in_flight.len();
        if sets >= MAX_SETS || self.paths + paths.len() > MAX_PATHS {
            return Err(CommitRefusal::Busy { sets, paths: self.paths });
        }
        Ok(())
    }

    /// A set comes. It waits, and is ready at once if nothing keeps it from its paths.
    pub(crate) fn enter(&mut self, waiter: Waiter, until: Timestamp, facts: SetFacts) -> ReservationId {
        self.last_reservation += 1;
        let id = ReservationId { boot: self.boot, number: self.last_reservation };
        self.table.add(id, &facts.paths);
        self.paths += facts.paths.len();
        if let (Some(key), Some(keyed)) = (facts.key(), &facts.keyed) {
            self.requests.begin(key, keyed.clone(), id);
        }
        self.untils.insert((until, id));
        self.waiting.insert(id, WaitingSet { waiter, until, facts });
        if self.table.is_free(id) {
            self.ready.insert(id);
        }
        id
    }

    /// The first of the sets that wait and are free.
    pub(crate) fn first_ready(&self) -> Option<ReservationId> {
        self.ready.first().copied()
    }

    /// A set that waits and is free.
    pub(crate) fn ready_set(&self, id: ReservationId) -> Option<&WaitingSet> {
        self.waiting.get(&id).filter(|_| self.ready.contains(&id))
    }

    /// It gets its paths.
    pub(crate) fn grant(
        &mut self,
        id: ReservationId,
        deadline: Timestamp,
        hard_end: Timestamp,
    ) -> Option<&LiveSet> {
        let WaitingSet { until, facts, waiter: _ } = self.waiting.remove(&id)?;
        self.untils.remove(&(until, id));
        self.ready.remove(&id);
        self.deadlines.insert((deadline, id));
        Some(self.live.entry(id).or_insert(LiveSet { facts, deadline, hard_end }))
    }

    /// A set waits no more, and has not got its paths.
    pub(crate) fn give_up(&mut self, id: ReservationId) -> Option<WaitingSet> {
        let set = self.waiting.remove(&id)?;
        self.untils.remove(&(set.until, id));
        self.ready.remove(&id);
        self.come_to_nothing(id, &set.facts);
        Some(set)
    }

    /// A set that had its paths is dropped.
    pub(crate) fn drop_live(&mut self, id: ReservationId) -> Option<LiveSet> {
        let set = self.live.remove(&id)?;
        self.deadlines.remove(&(set.deadline, id));
        self.come_to_nothing(id, &set.facts);
        Some(set)
    }

    /// Moves the deadline of a set that has its paths.
    pub(crate) fn prolong(&mut self, id: ReservationId, until: Timestamp) -> Option<Timestamp> {
        let set = self.live.get_mut(&id)?;
        self.deadlines.remove(&(set.deadline, id));
        set.deadline = until.min(set.hard_end).max(set.deadline);
        self.deadlines.insert((set.deadline, id));
        Some(set.deadline)
    }

    /// Moves the deadlines of all of them: nobody could renew.
    pub(crate) fn forgive(&mut self, until: Timestamp) {
        for id in self.live.keys().copied().collect::<Vec<_>>() {
            self.prolong(id, until);
        }
    }

    /// Lets somebody wait in the place of whoever asked for this set. Returns whom it replaced; `None` if the set does
    /// not wait.
    pub(crate) fn replace_waiter(
        &mut self,
        id: ReservationId,
        waiter: Waiter,
        until: Timestamp,
    ) -> Option<Waiter> {
        let set = self.waiting.get_mut(&id)?;
        self.untils.remove(&(set.until, id));
        self.untils.insert((until, id));
        set.until = until;
        Some(std::mem::replace(&mut set.waiter, waiter))
    }

    /// The set that has had its paths for too long.
    pub(crate) fn first_deadline(&self) -> Option<(Timestamp, ReservationId)> {
        self.deadlines.first().copied()
    }

    /// The set that has waited for the longest it wanted to.
    pub(crate) fn first_until(&self) -> Option<(Timestamp, ReservationId)> {
        self.untils.first().copied()
    }

    /// Whoever waits there waits no more.
    pub(crate) fn stop_waiting(&mut self, waiter: Waiter) {
        let waiting = self.waiting.iter().find(|(_, set)| set.waiter == waiter).map(|(id, _)| *id);
        if let Some(id) = waiting {
            self.give_up(id);
        }
        self.requests.stop_waiting(waiter);
    }

    /// Drops what is an agent's and not intended yet. Returns whoever waited for it.
    pub(crate) fn drop_agent(&mut self, agent: &AgentName) -> Vec<Waiter> {
        let mut waiters = self.requests.drop_agent(agent);
        let theirs = |facts: &SetFacts| facts.agent() == Some(agent);
        let waiting = self.waiting.iter().filter(|(_, set)| theirs(&set.facts)).map(|(id, _)| *id);
        for id in waiting.collect::<Vec<_>>() {
            waiters.extend(self.give_up(id).map(|set| set.waiter));
        }
        let live = self.live.iter().filter(|(_, set)| theirs(&set.facts)).map(|(id, _)| *id);
        for id in live.collect::<Vec<_>>() {
            self.drop_live(id);
        }
        waiters
    }

    fn come_to_nothing(&mut self, id: ReservationId, facts: &SetFacts) {
        self.leave(id, &facts.paths);
        self.requests.free(facts.key(), id);
    }

    fn leave(&mut self, id: ReservationId, paths: &Reservation) {
        self.paths -= paths.len();
        let freed = self.table.remove(id, paths);
        self.ready.extend(freed.into_iter().filter(|id| self.waiting.contains_key(id)));
    }
}
