//! What must hold of agents at work, seen from outside.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure};
use longhouse_core::{
    AgentName, Command, CrewCommand, CrewReply, Heartbeat, MemberFacts, ProviderName, Reply, Timestamp, Usage,
};

use crate::server::Server;

/// What the answers so far promise.
#[derive(Default)]
pub struct CrewChecks {
    usage: BTreeMap<AgentName, Usage>,
    providers: BTreeMap<AgentName, ProviderName>,
    cooldowns: BTreeMap<ProviderName, Timestamp>,
    interrupted: BTreeSet<AgentName>,
    /// Until when those who promised to be heard of are certainly not missed.
    heard_until: BTreeMap<AgentName, Timestamp>,
}

impl CrewChecks {
    /// An answer is durable: it must agree with all before.
    pub fn committed(
        &mut self,
        agent: &AgentName,
        command: &CrewCommand,
        reply: &Reply,
        at: Timestamp,
    ) -> anyhow::Result<()> {
        match (command, reply) {
            (CrewCommand::Heartbeat(beat), Reply::Crew(CrewReply::Found(found))) => {
                let [facts] = &found[..] else { bail!("{agent} is {} agents", found.len()) };
                self.heard(facts, beat, at);
                if beat.ack_interrupt.is_some() && !is_interrupted(facts) {
                    self.interrupted.remove(agent);
                }
                self.agrees(facts, at)
            }
            (CrewCommand::Spend(usage, _), Reply::Crew(CrewReply::Counted(counted))) => {
                let sum = self.usage.entry(agent.clone()).or_default();
                *sum = sum.plus(usage);
                ensure!(counted.agent == *sum, "{agent} used {sum:?}, and was told {:?}", counted.agent);
                let all = self.usage.values().fold(Usage::NOTHING, |all, usage| all.plus(usage));
                ensure!(counted.project == all, "all used {all:?}, and it says {:?}", counted.project);
                Ok(())
            }
            (CrewCommand::Cool { provider, .. }, Reply::Crew(CrewReply::Cools(cooldown))) => {
                let Some(provider) = provider else { bail!("nobody asks that here") };
                match cooldown {
                    Some(cooldown) => {
                        self.cooldowns.insert(provider.clone(), cooldown.until_ms);
                        self.providers.entry(agent.clone()).or_insert_with(|| provider.clone());
                    }
                    None => drop(self.cooldowns.remove(provider)),
                }
                Ok(())
            }
            (CrewCommand::Interrupt(whom, _), Reply::Done) => {
                self.interrupted.insert(whom.clone());
                Ok(())
            }
            (CrewCommand::Leave(_), Reply::Done) => {
                self.heard_until.remove(agent);
                Ok(())
            }
            (command, reply) => bail!("{command:?} was answered {reply:?}"),
        }
    }

    /// Since when an agent is here without a break, as its heartbeat was answered.
    pub fn came(reply: &Reply) -> Option<Timestamp> {
        let Reply::Crew(CrewReply::Found(found)) = reply else { return None };
        Some(found.first()?.standing.as_ref()?.since)
    }

    /// A task was granted: the agent must have been one that gets any.
    pub fn granted(&self, agent: &AgentName, at: Timestamp) -> anyhow::Result<()> {
        ensure!(!self.interrupted.contains(agent), "{agent} is to stop, and was granted a task");
        let cooldown = self.cooldown(agent, at);
        ensure!(cooldown.is_none(), "{agent} was granted a task, though its provider is to be left alone");
        Ok(())
    }

    /// Whether the agent has been silent for so long that it may have been given up.
    pub fn is_missed(&self, agent: &AgentName, now: Timestamp) -> bool {
        self.heard_until.get(agent).is_some_and(|until| *until <= now)
    }

    /// What was promised before a restart is still there, no more and no less.
    pub fn restarted(&self, server: &mut Server, now: Timestamp) -> anyhow::Result<()> {
        let Reply::Crew(CrewReply::Found(found)) = server.ask(Command::Crew(CrewCommand::Find(None)), now)?
        else {
            bail!("no agents")
        };
        found.iter().try_for_each(|facts| self.agrees(facts, now))
    }

    fn heard(&mut self, facts: &MemberFacts, beat: &Heartbeat, at: Timestamp) {
        let agent = &facts.agent.name;
        if let Some(provider) = &beat.provider {
            self.providers.insert(agent.clone(), provider.clone());
        }
        let _before = match facts.standing.as_ref().and_then(|standing| standing.ttl_ms) {
            Some(ttl_ms) => self.heard_until.insert(agent.clone(), at.plus_millis(ttl_ms)),
            None => self.heard_until.remove(agent),
        };
    }

    fn cooldown(&self, agent: &AgentName, now: Timestamp) -> Option<Timestamp> {
        self.cooldowns.get(self.providers.get(agent)?).copied().filter(|until| *until > now)
    }

    fn agrees(&self, facts: &MemberFacts, now: Timestamp) -> anyhow::Result<()> {
        let name = &facts.agent.name;
        let usage = facts.standing.as_ref().map(|standing| standing.usage).unwrap_or_default();
        let used = self.usage.get(name).copied().unwrap_or_default();
        ensure!(usage == used, "{name} used {used:?}, and the server says {usage:?}");
        let provider = facts.standing.as_ref().and_then(|standing| standing.provider.as_ref());
        ensure!(provider == self.providers.get(name), "{name} is with {provider:?}");
        let interrupted = self.interrupted.contains(name);
        ensure!(
            is_interrupted(facts) == interrupted,
            "{name} is to stop: {interrupted}, and not so: {facts:?}"
        );
        let cooldown = facts.cooldown.as_ref().map(|cooldown| cooldown.until_ms);
        ensure!(cooldown == self.cooldown(name, now), "{name} waits until {cooldown:?}");
        Ok(())
    }
}

fn is_interrupted(facts: &MemberFacts) -> bool {
    facts.standing.as_ref().is_some_and(|standing| standing.interrupt.is_some())
}
