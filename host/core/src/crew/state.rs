//! The agents at work, as the coordinator knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Cooldown, CrewSeed, Presence, Standing, Usage};
use crate::{AgentName, ProviderName, TaskId, Timestamp};

/// How long an agent may be silent that never said how long, in milliseconds: 10 min.
const PATIENCE_MS: u64 = 10 * 60 * 1_000;

/// An agent that was here at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) standing: Standing,
    /// In memory alone, as is what follows.
    pub(crate) last_seen: Timestamp,
    pub(crate) doing: Option<Arc<str>>,
    pub(crate) doing_task: Option<TaskId>,
    pub(crate) last_completed: Option<TaskId>,
    /// When it is looked after, if it is here: not later than it could be missed.
    looked_after_at: Option<Timestamp>,
}

impl Member {
    /// A member that stands like this, last heard of at `now`.
    const fn new(standing: Standing, now: Timestamp) -> Self {
        let (doing, doing_task, last_completed, looked_after_at) = (None, None, None, None);
        Self { standing, last_seen: now, doing, doing_task, last_completed, looked_after_at }
    }

    /// When it is missed, unless heard of before.
    pub(crate) fn missed_at(&self) -> Timestamp {
        self.last_seen.plus_millis(self.standing.ttl_ms.unwrap_or(PATIENCE_MS))
    }

    /// Whether more than half of the time has passed that it may be silent.
    pub(crate) fn is_suspect(&self, now: Timestamp) -> bool {
        now > self.last_seen.plus_millis(self.standing.ttl_ms.unwrap_or(PATIENCE_MS) / 2)
    }
}

/// All of them, what they used together, and whom they have to leave alone.
///
/// Signs of life are many and change nothing else, so that nothing is reordered for them: an agent is looked after at
/// a time noted before, and again later if it was heard of meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Crew {
    members: BTreeMap<AgentName, Member>,
    rounds: BTreeSet<(Timestamp, AgentName)>,
    pub(crate) usage: Usage,
    cooldowns: BTreeMap<ProviderName, Cooldown>,
}

impl Crew {
    pub(crate) fn rebuild(seed: CrewSeed, now: Timestamp) -> Self {
        let mut crew = Self { usage: seed.usage, ..Self::default() };
        for (name, standing) in seed.standings {
            crew.put(&name, Member::new(standing, now));
        }
        for (name, task) in seed.completed {
            crew.completed(&name, task);
        }
        crew.cooldowns =
            seed.cooldowns.into_iter().map(|cooldown| (cooldown.provider.clone(), cooldown)).collect();
        crew
    }

    pub(crate) fn get(&self, name: &AgentName) -> Option<&Member> {
        self.members.get(name)
    }

    /// The member of this name, as it is or as one that never was here.
    pub(crate) fn member(&self, name: &AgentName, now: Timestamp) -> Member {
        self.get(name).cloned().unwrap_or_else(|| Member::new(Standing::absent(now), now))
    }

    /// Whoever is here is so, as far as anybody can know: nobody could say so before.
    pub(crate) fn forgive(&mut self, now: Timestamp) {
        for member in self.members.values_mut().filter(|member| member.standing.presence == Presence::Here) {
            member.last_seen = member.last_seen.max(now);
        }
    }

    /// A sign of life of somebody who is known to be here; `false` if it is not.
    pub(crate) fn hear(&mut self, name: &AgentName, now: Timestamp) -> bool {
        match self.members.get_mut(name) {
            Some(member) if member.standing.presence == Presence::Here => {
                member.last_seen = member.last_seen.max(now);
                true
            }
            Some(_) | None => false,
        }
    }

    /// An agent completed this task.
    pub(crate) fn completed(&mut self, name: &AgentName, task: TaskId) {
        if let Some(member) = self.members.get_mut(name) {
            member.last_completed = Some(task);
        }
    }

    /// Puts a member as it is now, to be looked after when it is missed.
    pub(crate) fn put(&mut self, name: &AgentName, member: Member) {
        let at = member.missed_at();
        self.put_until(name, member, at);
    }

    /// Looks after a member again when it could have been missed from `now` on.
    pub(crate) fn look_again(&mut self, name: &AgentName, now: Timestamp) {
        if let Some(member) = self.get(name).cloned() {
            let patience = member.standing.ttl_ms.unwrap_or(PATIENCE_MS);
            self.put_until(name, member, now.plus_millis(patience));
        }
    }

    fn put_until(&mut self, name: &AgentName, mut member: Member, at: Timestamp) {
        self.forget_round(name);
        member.looked_after_at = (member.standing.presence == Presence::Here).then_some(at);
        self.rounds.extend(member.looked_after_at.map(|at| (at, name.clone())));
        self.members.insert(name.clone(), member);
    }

    pub(crate) fn remove(&mut self, name: &AgentName) -> Option<Member> {
        self.forget_round(name);
        self.members.remove(name)
    }

    fn forget_round(&mut self, name: &AgentName) {
        if let Some(at) = self.members.get(name).and_then(|member| member.looked_after_at) {
            self.rounds.remove(&(at, name.clone()));
        }
    }

    /// Who is to be looked after first, and when.
    pub(crate) fn first_round(&self) -> Option<&(Timestamp, AgentName)> {
        self.rounds.first()
    }

    /// How long this agent's provider is to be left alone.
    pub(crate) fn cooldown_of(&self, name: &AgentName, now: Timestamp) -> Option<&Cooldown> {
        let provider = self.get(name)?.standing.provider.as_ref()?;
        self.cooldowns.get(provider).filter(|cooldown| cooldown.until_ms > now)
    }

    pub(crate) fn cooldown(&self, provider: &ProviderName) -> Option<&Cooldown> {
        self.cooldowns.get(provider)
    }

    pub(crate) fn cooldowns(&self) -> usize {
        self.cooldowns.len()
    }

    pub(crate) fn cool(&mut self, cooldown: Cooldown) {
        self.cooldowns.insert(cooldown.provider.clone(), cooldown);
    }

    pub(crate) fn warm(&mut self, provider: &ProviderName) -> Option<Cooldown> {
        self.cooldowns.remove(provider)
    }

    /// The provider that may be asked again first, and when.
    pub(crate) fn first_warm(&self) -> Option<(Timestamp, &ProviderName)> {
        self.cooldowns.values().map(|cooldown| (cooldown.until_ms, &cooldown.provider)).min()
    }

    /// When something has to be decided though nobody asks.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let round = self.first_round().map(|(at, _)| *at);
        let warm = self.first_warm().map(|(at, _)| at);
        round.into_iter().chain(warm).min()
    }

    /// What is stored of it.
    #[cfg(test)]
    pub(crate) fn stored(&self) -> (BTreeMap<AgentName, Standing>, Usage, Vec<Cooldown>) {
        let standings = self.members.iter().map(|(name, member)| (name.clone(), member.standing.clone()));
        (standings.collect(), self.usage, self.cooldowns.values().cloned().collect())
    }
}
