//! Claims that wait for a task, in the order they came.

use std::collections::{BTreeMap, BTreeSet};

use std::ops::Bound;

use crate::{AgentName, ClaimRequest, Key, Keyed, Stands, Timestamp, Waiter, Want};

/// A claim that found nothing yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaitingClaim {
    pub(crate) agent: AgentName,
    pub(crate) request: ClaimRequest,
    /// When it has waited long enough.
    pub(crate) until: Timestamp,
    /// The task that the same call ended.
    pub(crate) ended: Option<Stands>,
    pub(crate) keyed: Option<Keyed>,
}

/// All of them, by whom to tell. Waiters are numbered in the order they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Waiting {
    claims: BTreeMap<Waiter, WaitingClaim>,
    until: BTreeSet<(Timestamp, Waiter)>,
    /// Those that are not content with whatever is ready: of a task by id, or of several.
    particular: BTreeSet<Waiter>,
    by_key: BTreeMap<(AgentName, Key), Waiter>,
}

impl WaitingClaim {
    fn name(&self) -> Option<(AgentName, Key)> {
        Some((self.agent.clone(), self.keyed.as_ref()?.key.clone()))
    }
}

impl Waiting {
    /// Adds a claim.
    pub(crate) fn add(&mut self, waiter: Waiter, claim: WaitingClaim) {
        self.until.insert((claim.until, waiter));
        if claim.request.want != Want::Next(1) {
            self.particular.insert(waiter);
        }
        self.by_key.extend(claim.name().map(|name| (name, waiter)));
        self.claims.insert(waiter, claim);
    }

    /// Takes a claim out.
    pub(crate) fn remove(&mut self, waiter: Waiter) -> Option<WaitingClaim> {
        let claim = self.claims.remove(&waiter)?;
        self.until.remove(&(claim.until, waiter));
        self.particular.remove(&waiter);
        if let Some(name) = claim.name() {
            self.by_key.remove(&name);
        }
        Some(claim)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.claims.len()
    }

    /// The next in order after `last`: of all, or of those that are not content with whatever is ready.
    pub(crate) fn after(&self, last: Option<Waiter>, only_particular: bool) -> Option<Waiter> {
        let later = (last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        if only_particular {
            self.particular.range(later).next().copied()
        } else {
            self.claims.range(later).next().map(|(waiter, _)| *waiter)
        }
    }

    /// Whoever waits under this key of the agent's.
    pub(crate) fn under(&self, agent: &AgentName, key: &Key) -> Option<Waiter> {
        self.by_key.get(&(agent.clone(), key.clone())).copied()
    }

    /// Everybody, in order.
    pub(crate) fn waiters(&self) -> Vec<Waiter> {
        self.claims.keys().copied().collect()
    }

    /// Whom this waiter waits for, and for what.
    pub(crate) fn get(&self, waiter: Waiter) -> Option<&WaitingClaim> {
        self.claims.get(&waiter)
    }

    /// Those whose claims fit.
    pub(crate) fn find(&self, fits: impl Fn(&WaitingClaim) -> bool) -> Vec<Waiter> {
        self.claims.iter().filter(|(_, claim)| fits(claim)).map(|(waiter, _)| *waiter).collect()
    }

    /// When the first of them has waited long enough.
    pub(crate) fn first_until(&self) -> Option<(Timestamp, Waiter)> {
        self.until.first().copied()
    }
}
