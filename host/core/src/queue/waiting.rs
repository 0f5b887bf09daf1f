//! Claims that wait for a task, in the order they came.

use std::collections::{BTreeMap, BTreeSet};

use std::ops::Bound;

use crate::{AgentName, ClaimRequest, Key, Keyed, Stands, Timestamp, Waiter, Want};

/// A place in the line, named after the waiter who took it. Whoever asks again waits in the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(Waiter);

/// A claim that found nothing yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaitingClaim {
    /// Whom to tell.
    pub(crate) waiter: Waiter,
    pub(crate) agent: AgentName,
    pub(crate) request: ClaimRequest,
    /// When it has waited long enough.
    pub(crate) until: Timestamp,
    /// The task that the same call ended.
    pub(crate) ended: Option<Stands>,
    pub(crate) keyed: Option<Keyed>,
}

/// All of them, by their places. Waiters are numbered in the order they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Waiting {
    claims: BTreeMap<Place, WaitingClaim>,
    places: BTreeMap<Waiter, Place>,
    until: BTreeSet<(Timestamp, Place)>,
    /// Those that are not content with whatever is ready: of a task by id, or of several.
    particular: BTreeSet<Place>,
    by_key: BTreeMap<(AgentName, Key), Place>,
}

impl WaitingClaim {
    fn name(&self) -> Option<(AgentName, Key)> {
        Some((self.agent.clone(), self.keyed.as_ref()?.key.clone()))
    }
}

impl Waiting {
    /// Adds a claim, in the last place.
    pub(crate) fn add(&mut self, claim: WaitingClaim) {
        let place = Place(claim.waiter);
        self.until.insert((claim.until, place));
        if claim.request.want != Want::Next(1) {
            self.particular.insert(place);
        }
        self.by_key.extend(claim.name().map(|name| (name, place)));
        self.places.insert(claim.waiter, place);
        self.claims.insert(place, claim);
    }

    /// Takes a claim out.
    pub(crate) fn remove(&mut self, place: Place) -> Option<WaitingClaim> {
        let claim = self.claims.remove(&place)?;
        self.places.remove(&claim.waiter);
        self.until.remove(&(claim.until, place));
        self.particular.remove(&place);
        if let Some(name) = claim.name() {
            self.by_key.remove(&name);
        }
        Some(claim)
    }

    /// Has somebody else told of a claim. Returns who was to be.
    pub(crate) fn take_over(&mut self, place: Place, waiter: Waiter) -> Option<Waiter> {
        let claim = self.claims.get_mut(&place)?;
        let before = std::mem::replace(&mut claim.waiter, waiter);
        self.places.remove(&before);
        self.places.insert(waiter, place);
        Some(before)
    }

    /// Where somebody waits.
    pub(crate) fn place_of(&self, waiter: Waiter) -> Option<Place> {
        self.places.get(&waiter).copied()
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
    pub(crate) fn after(&self, last: Option<Place>, only_particular: bool) -> Option<Place> {
        let later = (last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        if only_particular {
            self.particular.range(later).next().copied()
        } else {
            self.claims.range(later).next().map(|(place, _)| *place)
        }
    }

    /// The claim that waits under this key of the agent's.
    pub(crate) fn under(&self, agent: &AgentName, key: &Key) -> Option<Place> {
        self.by_key.get(&(agent.clone(), key.clone())).copied()
    }

    /// Everybody, in order.
    pub(crate) fn waiters(&self) -> Vec<Waiter> {
        self.claims.values().map(|claim| claim.waiter).collect()
    }

    /// The claim in this place.
    pub(crate) fn get(&self, place: Place) -> Option<&WaitingClaim> {
        self.claims.get(&place)
    }

    /// Those whose claims fit.
    pub(crate) fn find(&self, fits: impl Fn(&WaitingClaim) -> bool) -> Vec<Place> {
        self.claims.iter().filter(|(_, claim)| fits(claim)).map(|(place, _)| *place).collect()
    }

    /// When the first of them has waited long enough.
    pub(crate) fn first_until(&self) -> Option<(Timestamp, Place)> {
        self.until.first().copied()
    }
}
