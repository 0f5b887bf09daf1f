//! The locks in force, and who waits for one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Holder, Lock, LockRefusal, LockTerms, LockWaiter};
use crate::{AgentName, Key, Keyed, LockHeld, LockId, PathPattern, Timestamp, Waiter};

/// A place in the line of those who wait: earlier ones are lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// Somebody who waits for a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaitingLock {
    /// Whom to tell.
    pub(crate) waiter: Waiter,
    pub(crate) terms: LockTerms,
    pub(crate) ttl_ms: u64,
    pub(crate) reason: Arc<str>,
    pub(crate) since: Timestamp,
    /// When it has waited long enough.
    pub(crate) until: Timestamp,
    pub(crate) keyed: Option<Keyed>,
}

/// All locks in force and all that wait for one. Locks are few: what two of them mean for each other is found by
/// looking at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Locks {
    held: BTreeMap<LockId, Lock>,
    expiries: BTreeSet<(Timestamp, LockId)>,
    waiting: BTreeMap<Ticket, WaitingLock>,
    untils: BTreeSet<(Timestamp, Ticket)>,
    /// Whether something ended that somebody may have waited for.
    pub(crate) stirred: bool,
}

/// What keeps somebody from a lock.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Obstacle<'a> {
    /// A lock, because of this pattern.
    Lock(&'a Lock, &'a PathPattern),
    /// Somebody who came earlier, because of this pattern.
    Waiter(&'a WaitingLock, &'a PathPattern),
}

impl Obstacle<'_> {
    /// The refusal for somebody who does not wait, or not any longer.
    pub(crate) fn refusal(self, now: Timestamp) -> LockRefusal {
        match self {
            Self::Lock(lock, pattern) => LockRefusal::Held {
                pattern: pattern.clone(),
                lock: lock.id,
                holder: lock.terms.holder.agent.clone(),
                left_ms: lock.left_ms(now),
            },
            Self::Waiter(waiting, pattern) => {
                LockRefusal::Queued { pattern: pattern.clone(), earlier: waiting.terms.holder.agent.clone() }
            }
        }
    }
}

impl<'a> Obstacle<'a> {
    /// Whose waiting would prolong this one's; nobody's if it ends by itself.
    fn holder(self) -> Option<&'a Holder> {
        match self {
            Self::Lock(lock, _) => Some(&lock.terms.holder).filter(|_| !lock.orphaned),
            Self::Waiter(waiting, _) => Some(&waiting.terms.holder),
        }
    }
}

impl Locks {
    /// The lock, if it is in force.
    pub(crate) fn get(&self, id: LockId) -> Option<&Lock> {
        self.held.get(&id)
    }

    /// All in force, by id.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Lock> {
        self.held.values()
    }

    /// Those that fit.
    pub(crate) fn find(&self, fits: impl Fn(&Lock) -> bool) -> Vec<LockId> {
        self.all().filter(|lock| fits(lock)).map(|lock| lock.id).collect()
    }

    /// Adds a lock, or puts it in place of itself.
    pub(crate) fn insert(&mut self, lock: Lock) {
        self.expiries.insert((lock.expires_at, lock.id));
        if let Some(before) = self.held.insert(lock.id, lock)
            && self.held.get(&before.id).is_some_and(|lock| lock.expires_at != before.expires_at)
        {
            self.expiries.remove(&(before.expires_at, before.id));
        }
    }

    /// Takes a lock out.
    pub(crate) fn remove(&mut self, id: LockId) -> Option<Lock> {
        let lock = self.held.remove(&id)?;
        self.expiries.remove(&(lock.expires_at, id));
        self.stirred = true;
        Some(lock)
    }

    /// Gives every lock at least its whole time from `now` on.
    pub(crate) fn forgive(&mut self, now: Timestamp) {
        for lock in self.all().cloned().collect::<Vec<_>>() {
            self.insert(Lock { expires_at: lock.renewed_until(now), ..lock });
        }
    }

    /// The lock that ends first, and when.
    pub(crate) fn first_expiry(&self) -> Option<(Timestamp, LockId)> {
        self.expiries.first().copied()
    }

    /// A lock that keeps others than its holder from changing what `touches` says.
    pub(crate) fn in_the_way(&self, agent: &AgentName, touches: &[PathPattern]) -> Option<LockId> {
        let others = self.all().filter(|lock| lock.terms.holder.agent != *agent);
        let mut overlapping = others.filter(|lock| crate::overlap(touches, &lock.terms.patterns).is_some());
        overlapping.next().map(|lock| lock.id)
    }

    /// Those of other holders about some of the same paths.
    pub(crate) fn meeting<'a>(&'a self, terms: &'a LockTerms) -> impl Iterator<Item = LockHeld<'a>> {
        let others = self.all().filter(|lock| lock.orphaned || !lock.terms.holder.is_same(&terms.holder));
        let meeting = others.filter(|lock| crate::overlap(&terms.patterns, &lock.terms.patterns).is_some());
        meeting.map(|lock| LockHeld { lock, conflicts: terms.conflict(&lock.terms).is_some() })
    }

    /// How many locks an agent holds or waits for.
    pub(crate) fn count_of(&self, agent: &AgentName) -> usize {
        let terms = self.all().map(|lock| &lock.terms);
        let terms = terms.chain(self.waiting.values().map(|waiting| &waiting.terms));
        terms.filter(|terms| terms.holder.agent == *agent).count()
    }

    /// What keeps somebody who comes now from a lock on these terms.
    pub(crate) fn obstacle<'a>(&'a self, terms: &'a LockTerms) -> Option<Obstacle<'a>> {
        self.obstacles(terms, self.next_ticket()).next()
    }

    /// What keeps somebody who waits from the lock.
    pub(crate) fn obstacle_for(&self, ticket: Ticket) -> Option<Obstacle<'_>> {
        self.obstacles(&self.waiting.get(&ticket)?.terms, ticket).next()
    }

    /// Locks of other holders, and requests of other holders that came earlier.
    fn obstacles<'a>(&'a self, terms: &'a LockTerms, at: Ticket) -> impl Iterator<Item = Obstacle<'a>> {
        let other = |holder: &Holder| !holder.is_same(&terms.holder);
        let locks = self.all().filter(move |lock| lock.orphaned || other(&lock.terms.holder));
        let earlier = self.waiting.range(..at).map(|(_, waiting)| waiting);
        let earlier = earlier.filter(move |waiting| other(&waiting.terms.holder));
        locks.filter_map(|lock| Some(Obstacle::Lock(lock, terms.conflict(&lock.terms)?))).chain(
            earlier.filter_map(|earlier| Some(Obstacle::Waiter(earlier, terms.conflict(&earlier.terms)?))),
        )
    }

    /// If somebody who comes now and waits on these terms would wait for itself: for whom it would wait, for whom
    /// that one waits, and so on.
    pub(crate) fn deadlock(&self, terms: &LockTerms) -> Option<Vec<AgentName>> {
        let mut seen = BTreeSet::new();
        let mut open = vec![(terms, self.next_ticket(), Vec::new())];
        while let Some((terms_of_next, ticket, chain)) = open.pop() {
            for holder in self.obstacles(terms_of_next, ticket).filter_map(Obstacle::holder) {
                let mut chain = chain.clone();
                chain.push(holder.agent.clone());
                if holder.is_same(&terms.holder) {
                    return Some(chain);
                }
                for (ticket, waiting) in &self.waiting {
                    if waiting.terms.holder.is_same(holder) && seen.insert(*ticket) {
                        open.push((&waiting.terms, *ticket, chain.clone()));
                    }
                }
            }
        }
        None
    }

    /// Lets somebody wait, behind all others.
    pub(crate) fn wait(&mut self, waiting: WaitingLock) {
        let ticket = self.next_ticket();
        self.untils.insert((waiting.until, ticket));
        self.waiting.insert(ticket, waiting);
    }

    /// Whoever waits no more leaves the line.
    pub(crate) fn stop_waiting(&mut self, ticket: Ticket) -> Option<WaitingLock> {
        let waiting = self.waiting.remove(&ticket)?;
        self.untils.remove(&(waiting.until, ticket));
        self.stirred = true;
        Some(waiting)
    }

    /// Those who wait and fit, first come first.
    pub(crate) fn tickets(&self, fits: impl Fn(&WaitingLock) -> bool) -> Vec<Ticket> {
        self.waiting.iter().filter(|(_, waiting)| fits(waiting)).map(|(ticket, _)| *ticket).collect()
    }

    /// Everybody who waits, first come first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &WaitingLock> {
        self.waiting.values()
    }

    /// Whoever waits under this key of the agent's.
    pub(crate) fn waiting_under(&mut self, agent: &AgentName, key: &Key) -> Option<&mut WaitingLock> {
        self.waiting.values_mut().find(|waiting| {
            waiting.terms.holder.agent == *agent
                && waiting.keyed.as_ref().is_some_and(|keyed| keyed.key == *key)
        })
    }

    /// When the first of those who wait has waited long enough.
    pub(crate) fn first_until(&self) -> Option<Timestamp> {
        self.untils.first().map(|(until, _)| *until)
    }

    fn next_ticket(&self) -> Ticket {
        Ticket(self.waiting.last_key_value().map_or(0, |(last, _)| last.0 + 1))
    }
}

impl WaitingLock {
    /// What others are told of it.
    pub(crate) fn facts(&self) -> LockWaiter {
        LockWaiter { terms: self.terms.clone(), since: self.since, until: self.until }
    }
}
