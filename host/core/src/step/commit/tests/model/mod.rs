//! A reference for change sets: one list in the order of arrival, looked through from end to end.

mod life;

use std::collections::BTreeMap;

use super::{Reason, Said, name};
use crate::*;

/// How long a set has its paths without a renewal, and at most.
const RESERVED: u64 = 30_000;
const LONGEST: u64 = 600_000;

/// Whether one is the other or lies beneath it.
pub(super) fn meet(one: &str, other: &str) -> bool {
    let beneath =
        |low: &str, high: &str| high.is_empty() || low == high || low.starts_with(&format!("{high}/"));
    beneath(one, other) || beneath(other, one)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    Waits { waiter: Waiter, until: u64 },
    Has { deadline: u64, hard_end: u64 },
    Flies { number: u64, published: bool, synced: bool, recovered: bool, keeps: bool },
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) agent: Option<AgentName>,
    pub(super) under: Under,
    pub(super) locks: Vec<(LockId, Fence)>,
    pub(super) keyed: Option<(u8, u64)>,
    pub(super) entries: Vec<&'static str>,
    pub(super) subtrees: Vec<&'static str>,
    /// 0 not to wait.
    pub(super) until: u64,
}

impl Wish {
    fn paths(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.entries.iter().chain(&self.subtrees).copied()
    }

    fn key(&self) -> Option<(AgentName, u8)> {
        Some((self.agent.clone()?, self.keyed?.0))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) id: ReservationId,
    pub(super) wish: Wish,
    pub(super) hold: Option<Hold>,
    pub(super) stage: Stage,
}

impl Set {
    /// What of the wish is still kept from others.
    fn keeps(&self) -> Vec<&'static str> {
        match self.stage {
            Stage::Flies { keeps: false, .. } => Vec::new(),
            Stage::Waits { .. } | Stage::Has { .. } | Stage::Flies { .. } => self.wish.paths().collect(),
        }
    }

    fn conflicts(&self, wish: &Wish) -> bool {
        self.keeps().iter().any(|ours| wish.paths().any(|theirs| meet(ours, theirs)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TheLock {
    pub(super) id: LockId,
    pub(super) fence: Fence,
    pub(super) agent: AgentName,
    pub(super) hold: Option<Hold>,
    pub(super) path: String,
}

impl TheLock {
    fn is_of(&self, agent: &AgentName, hold: Option<Hold>) -> bool {
        self.agent == *agent && (self.hold.is_none() || self.hold == hold)
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) now: u64,
    boot: u32,
    pub(super) last_id: u64,
    pub(super) last_number: u64,
    pub(super) sets: Vec<Set>,
    /// By key: the waiter, until when, and its wish.
    pub(super) followers: BTreeMap<(AgentName, u8), (Waiter, u64, Wish)>,
    again: Vec<(Waiter, Wish)>,
    kept: Vec<((AgentName, u8), u64, u64)>,
    pub(super) agents: BTreeMap<AgentName, Role>,
    pub(super) leases: Vec<(AgentName, Hold)>,
    pub(super) unaware: BTreeMap<AgentName, Hold>,
    pub(super) locks: Vec<TheLock>,
    /// Whom it told what, since that was last asked for.
    pub(super) told: BTreeMap<Waiter, Said>,
}

impl Model {
    pub(super) fn new() -> Self {
        Self { boot: 1, ..Self::default() }
    }

    fn holds(&self, agent: &AgentName, hold: Hold) -> bool {
        self.leases.contains(&(agent.clone(), hold))
    }

    /// What happened to agents, leases and locks.
    pub(super) fn learn(&mut self, event: &Event) {
        match &event.kind {
            EventKind::AgentAdded { name, role, .. } => drop(self.agents.insert(name.clone(), *role)),
            EventKind::AgentRemoved { name } => {
                self.agents.remove(name);
                self.unaware.remove(name);
                self.kept.retain(|((agent, _), ..)| agent != name);
            }
            EventKind::Task(AboutTask { task, event: what }) => {
                let hold = |fence: &Fence| Hold { task: *task, fence: *fence };
                match what {
                    TaskEvent::Claimed { fence, .. } => {
                        let agent = event.agent.clone().unwrap();
                        self.unaware.remove(&agent);
                        self.leases.push((agent, hold(fence)));
                    }
                    TaskEvent::Lost { holder, fence, .. } => {
                        self.leases.retain(|(_, other)| *other != hold(fence));
                        self.unaware.insert(holder.clone(), hold(fence));
                    }
                    TaskEvent::Released { fence, .. } => {
                        self.leases.retain(|(_, other)| *other != hold(fence))
                    }
                    _ => {}
                }
            }
            EventKind::Lock(AboutLock { lock, event }) => match event {
                LockEvent::Taken { fence, terms, .. } => self.locks.push(TheLock {
                    id: *lock,
                    fence: *fence,
                    agent: terms.holder.agent.clone(),
                    hold: terms.holder.task,
                    path: terms.patterns[0].as_str().to_owned(),
                }),
                LockEvent::Orphaned { .. } => {}
                LockEvent::Released { .. } | LockEvent::Expired { .. } | LockEvent::Broken { .. } => {
                    self.locks.retain(|other| other.id != *lock);
                }
            },
            _ => {}
        }
    }

    /// Why a change may not be made now.
    fn forbids(&self, wish: &Wish, hold: Option<Hold>) -> Option<Reason> {
        let agent = wish.agent.as_ref()?;
        match self.agents.get(agent) {
            None => return Some("caller_gone"),
            Some(role) if *role < Role::Worker => return Some("role_too_low"),
            Some(_) => {}
        }
        let stale = match hold {
            Some(hold) => !self.holds(agent, hold),
            None => self.unaware.contains_key(agent),
        };
        if stale {
            return Some("stale_lease");
        }
        let in_force = |(id, fence): &(LockId, Fence)| {
            self.locks.iter().any(|lock| lock.id == *id && lock.fence == *fence && lock.is_of(agent, hold))
        };
        if !wish.locks.iter().all(in_force) {
            return Some("stale_lock");
        }
        let locked = |lock: &TheLock| {
            let beneath = |path: &str| path == lock.path || path.starts_with(&format!("{}/", lock.path));
            wish.entries.iter().any(|path| beneath(path))
                || wish.subtrees.iter().any(|path| meet(path, &lock.path))
        };
        self.locks.iter().any(|lock| !lock.is_of(agent, hold) && locked(lock)).then_some("path_locked")
    }

    fn lease(&self, wish: &Wish) -> Option<Hold> {
        let agent = wish.agent.as_ref()?;
        let theirs: Vec<Hold> =
            self.leases.iter().filter(|(of, _)| of == agent).map(|(_, hold)| *hold).collect();
        let lost = self.unaware.get(agent).copied();
        match wish.under {
            Under::Lease(hold) => Some(hold),
            Under::NoLease => lost,
            Under::TheOnlyLease => lost.or(if theirs.len() == 1 { Some(theirs[0]) } else { None }),
        }
    }

    pub(super) fn reserve(&mut self, waiter: Waiter, wish: Wish) {
        let Some(key) = wish.key() else { return self.attempt(waiter, wish) };
        match self.agents.get(&key.0) {
            None => return self.tell(waiter, Said::Refused("caller_gone")),
            Some(role) if *role < Role::Worker => return self.tell(waiter, Said::Refused("role_too_low")),
            Some(_) => {}
        }
        let hash = wish.keyed.unwrap().1;
        if let Some((_, other, number)) = self.kept.iter().rev().find(|(kept, ..)| *kept == key) {
            let said = if *other == hash { Said::Committed(*number) } else { Said::Refused("key_reused") };
            return self.tell(waiter, said);
        }
        let (now, until) = (self.now, wish.until.min(self.now + LONGEST));
        let running = |set: &&mut Set| {
            let done = matches!(set.stage, Stage::Flies { published: true, .. });
            !done && set.wish.key() == Some(key.clone())
        };
        let Some(set) = self.sets.iter_mut().find(running) else { return self.attempt(waiter, wish) };
        if set.wish.keyed.unwrap().1 != hash {
            return self.tell(waiter, Said::Refused("key_reused"));
        }
        if until <= now {
            return self.tell(waiter, Said::Refused("still_running"));
        }
        let before = match &mut set.stage {
            Stage::Waits { waiter: before, until: their_until } => {
                *their_until = until;
                Some(std::mem::replace(before, waiter))
            }
            Stage::Has { .. } | Stage::Flies { .. } => {
                self.followers.insert(key, (waiter, until, wish)).map(|(before, ..)| before)
            }
        };
        if let Some(before) = before {
            self.tell(before, Said::Refused("superseded"));
        }
    }

    /// Whether a change is made, or was, under this key.
    pub(super) fn is_key_in_use(&self, key: &(AgentName, u8)) -> bool {
        let running = |set: &Set| {
            let done = matches!(set.stage, Stage::Flies { published: true, .. });
            !done && set.wish.key().as_ref() == Some(key)
        };
        self.kept.iter().any(|(kept, ..)| kept == key) || self.sets.iter().any(running)
    }

    fn attempt(&mut self, waiter: Waiter, wish: Wish) {
        let hold = self.lease(&wish);
        if let Some(why) = self.forbids(&wish, hold) {
            return self.tell(waiter, Said::Refused(why));
        }
        let until = wish.until.min(self.now + LONGEST);
        let kept = self.sets.iter().any(|set| set.conflicts(&wish));
        if kept && until <= self.now {
            return self.tell(waiter, Said::Refused("path_reserved"));
        }
        self.last_id += 1;
        let id = ReservationId { boot: BootNumber(self.boot), number: self.last_id };
        self.sets.push(Set { id, wish, hold, stage: Stage::Waits { waiter, until } });
        if !kept {
            self.grant(self.sets.len() - 1);
        }
    }

    fn grant(&mut self, n: usize) {
        let Stage::Waits { waiter, .. } = self.sets[n].stage else { panic!() };
        let deadline = self.now + RESERVED;
        self.sets[n].stage = Stage::Has { deadline, hard_end: self.now + LONGEST };
        self.tell(waiter, Said::Reserved(self.sets[n].id, self.sets[n].hold, deadline));
    }

    /// Gives everybody what is free.
    pub(super) fn serve(&mut self) {
        loop {
            let free = |n: &usize| {
                let waits = matches!(self.sets[*n].stage, Stage::Waits { .. });
                waits && !self.sets[..*n].iter().any(|earlier| earlier.conflicts(&self.sets[*n].wish))
            };
            if let Some(n) = (0..self.sets.len()).find(free) {
                match self.forbids(&self.sets[n].wish, self.sets[n].hold) {
                    None => self.grant(n),
                    Some(why) => {
                        let Stage::Waits { waiter, .. } = self.sets[n].stage else { panic!() };
                        self.tell(waiter, Said::Refused(why));
                        self.drop_set(n);
                    }
                }
            } else if !self.again.is_empty() {
                let (waiter, wish) = self.again.remove(0);
                self.attempt(waiter, wish);
            } else {
                return;
            }
        }
    }

    /// A set goes, and whoever followed it takes its place.
    fn drop_set(&mut self, n: usize) {
        let set = self.sets.remove(n);
        if let Some((waiter, _, wish)) = set.wish.key().and_then(|key| self.followers.remove(&key)) {
            self.again.push((waiter, wish));
        }
    }

    /// Time passed.
    pub(super) fn pass(&mut self, now: u64) {
        self.now = now;
        loop {
            let deadline = |set: &Set| match set.stage {
                Stage::Has { deadline, .. } if deadline <= now => Some((deadline, set.id)),
                _ => None,
            };
            let Some((_, id)) = self.sets.iter().filter_map(deadline).min() else { break };
            self.drop_set(self.place(id).unwrap());
        }
        self.serve();
        loop {
            let until = |set: &Set| match set.stage {
                Stage::Waits { until, waiter } if until <= now => Some((until, set.id, waiter)),
                _ => None,
            };
            let Some((_, id, waiter)) = self.sets.iter().filter_map(until).min() else { break };
            self.tell(waiter, Said::Refused("path_reserved"));
            self.drop_set(self.place(id).unwrap());
            self.serve();
        }
        let late: Vec<_> = self
            .followers
            .iter()
            .filter(|(_, (_, until, _))| *until <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in late {
            let (waiter, ..) = self.followers.remove(&key).unwrap();
            self.tell(waiter, Said::Refused("still_running"));
        }
    }

    fn place(&self, id: ReservationId) -> Option<usize> {
        self.sets.iter().position(|set| set.id == id)
    }

    fn tell(&mut self, waiter: Waiter, said: Said) {
        self.told.insert(waiter, said);
    }
}

impl Set {
    fn keeping(&self) -> Wish {
        Wish { entries: self.keeps(), subtrees: Vec::new(), ..self.wish.clone() }
    }
}

/// Roles of the agents there may be.
pub(super) fn role(n: u8) -> Role {
    match n {
        0 => Role::Coordinator,
        4 => Role::Observer,
        _ => Role::Worker,
    }
}

/// Every agent there may be.
pub(super) fn everybody() -> impl Iterator<Item = (AgentName, Role)> {
    (0..5).map(|n| (name(n), role(n)))
}
