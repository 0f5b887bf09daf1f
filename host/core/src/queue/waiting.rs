//! Claims that wait for a task, in the order they came.

use std::collections::{BTreeMap, BTreeSet};

use crate::{AgentName, ClaimRequest, Keyed, Stands, Timestamp, Waiter};

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
}

impl Waiting {
    /// Adds a claim.
    pub(crate) fn add(&mut self, waiter: Waiter, claim: WaitingClaim) {
        self.until.insert((claim.until, waiter));
        self.claims.insert(waiter, claim);
    }

    /// Takes a claim out.
    pub(crate) fn remove(&mut self, waiter: Waiter) -> Option<WaitingClaim> {
        let claim = self.claims.remove(&waiter)?;
        self.until.remove(&(claim.until, waiter));
        Some(claim)
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.claims.is_empty()
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
