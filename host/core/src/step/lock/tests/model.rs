//! A reference for locks: two lists, looked through from end to end, over a handful of paths.

use std::collections::{BTreeMap, BTreeSet};

use crate::*;

/// All the paths there are.
pub(super) const PATHS: [&str; 7] = ["a", "a/x", "a/y", "b", "b/x", "c", "c/x"];
/// All the patterns there are; any two that overlap do so on one of these paths.
pub(super) const PATTERNS: [&str; 7] = ["a", "a/x", "a/*", "b/**", "*/x", "c", "{a/y,c}"];
/// How long a lock outlives a lost lease.
const ORPHANED_MS: u64 = 30_000;

pub(super) type Paths = BTreeSet<&'static str>;

/// The paths that `fits`.
pub(super) fn paths(fits: impl Fn(&ProjectPath) -> bool) -> Paths {
    PATHS.into_iter().filter(|path| fits(&path.parse().unwrap())).collect()
}

/// The paths that one of the patterns covers.
pub(super) fn covered(patterns: &[PathPattern]) -> Paths {
    paths(|path| patterns.iter().any(|pattern| pattern.matches(path)))
}

/// What a reply says, as far as the model knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Taken(LockId, u64),
    Done,
    Held(LockId, AgentName, u64),
    Queued(AgentName),
    Deadlock,
    StaleLock,
    Orphaned(u64),
    PathLocked(LockId),
    StaleLease,
    Superseded,
    KeyReused,
    CallerGone,
    RoleTooLow,
}

pub(super) fn said(reply: &Reply) -> Said {
    match reply {
        Reply::Done => Said::Done,
        Reply::Lock(LockReply::Taken(taken) | LockReply::Renewed(taken)) => {
            Said::Taken(taken.lock, taken.expires_at.as_millis())
        }
        Reply::Refused(Refusal::Superseded) => Said::Superseded,
        Reply::Refused(Refusal::KeyReused) => Said::KeyReused,
        Reply::Refused(Refusal::CallerGone(_)) => Said::CallerGone,
        Reply::Refused(Refusal::RoleTooLow { .. }) => Said::RoleTooLow,
        Reply::Refused(Refusal::Task(TaskRefusal::StaleLease { .. })) => Said::StaleLease,
        Reply::Refused(Refusal::Lock(refusal)) => match refusal.clone() {
            LockRefusal::Held { lock, holder, left_ms, .. } => Said::Held(lock, holder, left_ms),
            LockRefusal::Queued { earlier, .. } => Said::Queued(earlier),
            LockRefusal::Deadlock { .. } => Said::Deadlock,
            LockRefusal::NoSuchLock(_) | LockRefusal::StaleLock { .. } => Said::StaleLock,
            LockRefusal::Orphaned { left_ms, .. } => Said::Orphaned(left_ms),
            LockRefusal::PathLocked { lock, .. } => Said::PathLocked(lock),
            refusal => panic!("nothing here provokes {refusal:?}"),
        },
        reply => panic!("nothing here is answered with {reply:?}"),
    }
}

/// Who wants or has what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) agent: AgentName,
    pub(super) task: Option<Hold>,
    pub(super) mode: LockMode,
    pub(super) paths: Paths,
}

impl Claim {
    fn is_anothers(&self, other: &Self) -> bool {
        let both_bound = self.task.is_some() && other.task.is_some();
        self.agent != other.agent || (both_bound && self.task != other.task)
    }

    pub(super) fn clashes(&self, other: &Self) -> bool {
        let shared = self.mode == LockMode::Shared && other.mode == LockMode::Shared;
        !shared && !self.paths.is_disjoint(&other.paths)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) id: LockId,
    pub(super) claim: Claim,
    pub(super) ttl: u64,
    pub(super) ends: u64,
    pub(super) orphaned: bool,
}

impl Held {
    fn bars(&self, claim: &Claim) -> bool {
        (self.orphaned || self.claim.is_anothers(claim)) && self.claim.clashes(claim)
    }

    fn admits(&self, agent: &AgentName, task: Option<Hold>) -> bool {
        !self.orphaned && self.claim.agent == *agent && (self.claim.task.is_none() || self.claim.task == task)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waits {
    pub(super) waiter: Waiter,
    pub(super) claim: Claim,
    pub(super) ttl: u64,
    pub(super) until: u64,
    pub(super) keyed: Option<Keyed>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) now: u64,
    pub(super) last: u64,
    pub(super) held: Vec<Held>,
    pub(super) line: Vec<Waits>,
    kept: BTreeMap<(AgentName, Key), (Keyed, Said)>,
    /// Whom it told what, since that was last asked for.
    pub(super) told: BTreeMap<Waiter, Said>,
}

impl Model {
    /// Time passed, and these leases were lost.
    pub(super) fn pass(&mut self, now: u64, lost: &[Hold]) {
        self.now = now;
        for held in
            self.held.iter_mut().filter(|held| held.claim.task.is_some_and(|hold| lost.contains(&hold)))
        {
            held.orphaned = true;
            held.ends = held.ends.min(now + ORPHANED_MS);
        }
        self.stop(|waits| waits.claim.task.is_some_and(|hold| lost.contains(&hold)), &Said::StaleLease);
        self.held.retain(|held| held.ends > now);
        self.serve();
        while let Some(place) = self.line.iter().position(|waits| waits.until <= now) {
            let said = self.obstacle(&self.line[place].claim, place).unwrap();
            let waits = self.line.remove(place);
            self.told.insert(waits.waiter, said);
            self.serve();
        }
    }

    /// These leases ended, and not by being lost.
    pub(super) fn end(&mut self, leases: &[Hold]) {
        let bound = |task: Option<Hold>| task.is_some_and(|hold| leases.contains(&hold));
        self.held.retain(|held| held.orphaned || !bound(held.claim.task));
        self.stop(|waits| bound(waits.claim.task), &Said::StaleLease);
    }

    pub(super) fn remove(&mut self, agent: &AgentName) {
        self.held.retain(|held| held.claim.agent != *agent);
        self.stop(|waits| waits.claim.agent == *agent, &Said::CallerGone);
        self.kept.retain(|(of, _), _| of != agent);
    }

    pub(super) fn leave(&mut self, waiter: Waiter) {
        self.line.retain(|waits| waits.waiter != waiter);
    }

    pub(super) fn restart(&mut self, now: u64) {
        self.now = now;
        self.line.clear();
        for held in &mut self.held {
            held.ends = self.now + if held.orphaned { ORPHANED_MS } else { held.ttl };
        }
    }

    /// Whether the request came before.
    pub(super) fn repeats(&mut self, waiter: Waiter, agent: &AgentName, keyed: &Keyed) -> bool {
        if let Some((kept, said)) = self.kept.get(&(agent.clone(), keyed.key.clone())) {
            let said = if kept == keyed { said.clone() } else { Said::KeyReused };
            self.told.insert(waiter, said);
            return true;
        }
        let same = |other: &&mut Waits| {
            other.claim.agent == *agent && other.keyed.as_ref().is_some_and(|other| other.key == keyed.key)
        };
        let Some(before) = self.line.iter_mut().find(same) else { return false };
        if before.keyed.as_ref() == Some(keyed) {
            self.told.insert(std::mem::replace(&mut before.waiter, waiter), Said::Superseded);
        } else {
            self.told.insert(waiter, Said::KeyReused);
        }
        true
    }

    pub(super) fn take(&mut self, waits: Waits) {
        let waiter = waits.waiter;
        match self.obstacle(&waits.claim, self.line.len()) {
            None => self.grant(waits),
            Some(said) if waits.until <= self.now => drop(self.told.insert(waiter, said)),
            Some(_) => {
                self.line.push(waits);
                if self.waits_for_itself() {
                    self.line.pop();
                    self.told.insert(waiter, Said::Deadlock);
                }
            }
        }
    }

    pub(super) fn renew(&mut self, waiter: Waiter, agent: &AgentName, id: LockId, fence_is_right: bool) {
        let now = self.now;
        let theirs = |held: &&mut Held| held.id == id && held.claim.agent == *agent && fence_is_right;
        let said = match self.held.iter_mut().find(theirs) {
            None => Said::StaleLock,
            Some(held) if held.orphaned => Said::Orphaned(held.ends - now),
            Some(held) => {
                held.ends = held.ends.max(now + held.ttl);
                Said::Taken(id, held.ends)
            }
        };
        self.told.insert(waiter, said);
    }

    /// Ends a lock, if it is in force and the caller `may`.
    pub(super) fn release(&mut self, waiter: Waiter, id: LockId, may: impl Fn(&Held) -> bool) {
        let before = self.held.len();
        self.held.retain(|held| held.id != id || !may(held));
        let said = if self.held.len() < before { Said::Done } else { Said::StaleLock };
        self.told.insert(waiter, said);
    }

    pub(super) fn check(
        &self,
        agent: &AgentName,
        task: Option<Hold>,
        named: &[LockId],
        changed: &Paths,
    ) -> Said {
        let admits = |id: &LockId| self.held.iter().any(|held| held.id == *id && held.admits(agent, task));
        if !named.iter().all(admits) {
            return Said::StaleLock;
        }
        let locked = |held: &&Held| !held.admits(agent, task) && !held.claim.paths.is_disjoint(changed);
        self.held.iter().find(locked).map_or(Said::Done, |held| Said::PathLocked(held.id))
    }

    /// Whether a lock of another agent is on one of these.
    pub(super) fn keeps(&self, agent: &AgentName, touches: &Paths) -> bool {
        self.held.iter().any(|held| held.claim.agent != *agent && !held.claim.paths.is_disjoint(touches))
    }

    fn stop(&mut self, fits: impl Fn(&Waits) -> bool, said: &Said) {
        for waits in self.line.extract_if(.., |waits| fits(waits)) {
            self.told.insert(waits.waiter, said.clone());
        }
    }

    /// Grants what is free, first come first served.
    pub(super) fn serve(&mut self) {
        let mut place = 0;
        while let Some(waits) = self.line.get(place) {
            if self.obstacle(&waits.claim, place).is_none() {
                let waits = self.line.remove(place);
                self.grant(waits);
            } else {
                place += 1;
            }
        }
    }

    fn grant(&mut self, waits: Waits) {
        self.last += 1;
        let Waits { waiter, claim, ttl, until: _, keyed } = waits;
        let said = Said::Taken(LockId(self.last), self.now + ttl);
        if let Some(keyed) = keyed {
            self.kept.insert((claim.agent.clone(), keyed.key.clone()), (keyed, said.clone()));
        }
        let ends = self.now + ttl;
        self.held.push(Held { id: LockId(self.last), claim, ttl, ends, orphaned: false });
        self.told.insert(waiter, said);
    }

    fn obstacle(&self, claim: &Claim, place: usize) -> Option<Said> {
        let lock = self.held.iter().find(|held| held.bars(claim));
        let earlier = self.line[..place]
            .iter()
            .find(|waits| waits.claim.is_anothers(claim) && waits.claim.clashes(claim));
        let held = lock.map(|held| Said::Held(held.id, held.claim.agent.clone(), held.ends - self.now));
        held.or_else(|| earlier.map(|waits| Said::Queued(waits.claim.agent.clone())))
    }

    /// Whether somebody in the line waits, directly or through others, for itself.
    pub(super) fn waits_for_itself(&self) -> bool {
        let len = self.line.len();
        let mut waits_for = vec![vec![false; len]; len];
        for (i, waits) in self.line.iter().enumerate() {
            let locks = self.held.iter().filter(|held| !held.orphaned).map(|held| &held.claim);
            let earlier = self.line[..i].iter().map(|waits| &waits.claim);
            for before in locks.chain(earlier) {
                if before.is_anothers(&waits.claim) && before.clashes(&waits.claim) {
                    for (j, other) in self.line.iter().enumerate() {
                        waits_for[i][j] |= !before.is_anothers(&other.claim);
                    }
                }
            }
        }
        for k in 0..len {
            for i in 0..len {
                for j in 0..len {
                    waits_for[i][j] |= waits_for[i][k] && waits_for[k][j];
                }
            }
        }
        (0..len).any(|i| waits_for[i][i])
    }
}
