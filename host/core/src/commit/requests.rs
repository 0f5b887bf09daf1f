//! Requests that are to be carried out once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Follower, ReservationId};
use crate::{AgentName, Key, Keyed, Timestamp, Waiter};

/// Whose request, under which key.
pub(crate) type RequestKey = (AgentName, Key);

/// Which set carries out which request, and who waits for what comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Requests {
    pub(super) running: BTreeMap<RequestKey, (Keyed, ReservationId)>,
    /// The last that asked for the same, by what they ask for.
    pub(super) followers: BTreeMap<RequestKey, Follower>,
    pub(super) untils: BTreeSet<(Timestamp, RequestKey)>,
    /// Followers whose request came to nothing: it is theirs now.
    pub(super) again: VecDeque<Follower>,
}

impl Requests {
    /// A set begins to carry out a request.
    pub(super) fn begin(&mut self, key: RequestKey, keyed: Keyed, id: ReservationId) {
        self.running.insert(key, (keyed, id));
    }

    /// Which set, if any, carries out this agent's request with this key.
    pub(crate) fn running(&self, agent: &AgentName, key: &Key) -> Option<&(Keyed, ReservationId)> {
        self.running.get(&(agent.clone(), key.clone()))
    }

    /// A set has carried out its request. Returns who is to learn of it.
    pub(super) fn done(&mut self, key: Option<RequestKey>, id: ReservationId) -> Option<Follower> {
        let key = key.filter(|key| self.forget(key, id))?;
        self.unfollow(&key)
    }

    /// A set's request came to nothing: whoever follows it carries it out.
    pub(super) fn free(&mut self, key: Option<RequestKey>, id: ReservationId) {
        let follower = self.done(key, id);
        self.again.extend(follower);
    }

    fn forget(&mut self, key: &RequestKey, id: ReservationId) -> bool {
        let is_theirs = self.running.get(key).is_some_and(|(_, by)| *by == id);
        if is_theirs {
            self.running.remove(key);
        }
        is_theirs
    }

    /// The next request that came to nothing and came again.
    pub(crate) fn next_again(&mut self) -> Option<Follower> {
        self.again.pop_front()
    }

    /// Lets somebody wait for what comes of a request. Returns whoever did so before.
    pub(crate) fn follow(&mut self, key: RequestKey, follower: Follower) -> Option<Follower> {
        let before = self.unfollow(&key);
        self.untils.insert((follower.until, key.clone()));
        self.followers.insert(key, follower);
        before
    }

    fn unfollow(&mut self, key: &RequestKey) -> Option<Follower> {
        let follower = self.followers.remove(key)?;
        self.untils.remove(&(follower.until, key.clone()));
        Some(follower)
    }

    /// When the first of those who follow has waited long enough.
    pub(super) fn first_until(&self) -> Option<Timestamp> {
        self.untils.first().map(|(at, _)| *at)
    }

    /// One that has waited long enough by then, and waits no more.
    pub(crate) fn impatient(&mut self, now: Timestamp) -> Option<Follower> {
        let (_, key) = self.untils.first().filter(|(until, _)| *until <= now)?;
        let key = key.clone();
        self.unfollow(&key)
    }

    /// Everybody who follows.
    pub(super) fn waiters(&self) -> impl Iterator<Item = Waiter> {
        self.followers.values().map(|follower| follower.waiter)
    }

    /// Whoever waits there follows nothing any more.
    pub(super) fn stop_waiting(&mut self, waiter: Waiter) {
        let following = self.followers.iter().find(|(_, follower)| follower.waiter == waiter);
        if let Some(key) = following.map(|(key, _)| key.clone()) {
            self.unfollow(&key);
        }
        self.again.retain(|follower| follower.waiter != waiter);
    }

    /// An agent follows nothing any more. Returns whoever waited for it.
    pub(super) fn drop_agent(&mut self, agent: &AgentName) -> Vec<Waiter> {
        let keys: Vec<_> = self.followers.keys().filter(|(of, _)| of == agent).cloned().collect();
        keys.iter().filter_map(|key| self.unfollow(key)).map(|follower| follower.waiter).collect()
    }
}
