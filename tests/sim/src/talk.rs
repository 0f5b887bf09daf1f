//! What must hold of messages and shared state, seen from outside.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{bail, ensure};
use longhouse_core::{
    AgentName, Caller, Command, Extent, MessageId, Precondition, Reply, StateKey, StateVersion, TalkCommand,
    TalkReply, Timestamp, Which,
};

use crate::server::Server;

/// What the answers so far promise.
#[derive(Default)]
pub struct TalkChecks {
    last_message: Option<MessageId>,
    /// What each agent has not acknowledged.
    unread: BTreeMap<AgentName, BTreeSet<MessageId>>,
    last_version: Option<StateVersion>,
    versions: BTreeMap<StateKey, StateVersion>,
}

impl TalkChecks {
    /// An answer is durable: it must agree with all before.
    pub fn committed(
        &mut self,
        agent: &AgentName,
        command: &TalkCommand,
        reply: &Reply,
    ) -> anyhow::Result<()> {
        match (command, reply) {
            (TalkCommand::Send(_), Reply::Talk(TalkReply::Sent(sent))) => {
                ensure!(self.last_message < Some(sent.id), "{} came after {:?}", sent.id, self.last_message);
                self.last_message = Some(sent.id);
                ensure!(!sent.to.is_empty() && !sent.to.contains(agent), "{sent:?} by {agent}");
                for reader in &sent.to {
                    self.unread.entry(reader.clone()).or_default().insert(sent.id);
                }
            }
            (TalkCommand::Ack(id, extent), Reply::Talk(TalkReply::Acked(acked))) => {
                let unread = self.unread.entry(agent.clone()).or_default();
                let before = unread.len();
                match extent {
                    Extent::One => drop(unread.remove(id)),
                    Extent::UpTo => unread.retain(|unread| unread > id),
                }
                let expected = (before - unread.len(), unread.len());
                let told = (usize::try_from(acked.acked)?, usize::try_from(acked.unread)?);
                ensure!(told == expected, "{agent} acknowledged {expected:?} and was told {told:?}");
            }
            (TalkCommand::Set(key, _, expected), Reply::Talk(TalkReply::Version(version))) => {
                self.changes(key, *expected)?;
                ensure!(self.last_version < Some(*version), "{version} came after {:?}", self.last_version);
                self.last_version = Some(*version);
                self.versions.insert(key.clone(), *version);
            }
            (command, reply) => bail!("{command:?} was answered {reply:?}"),
        }
        Ok(())
    }

    /// What was promised before a restart is still there, no more and no less.
    pub fn restarted(&self, server: &mut Server, agents: &[AgentName], now: Timestamp) -> anyhow::Result<()> {
        for agent in agents {
            let ask = TalkCommand::Inbox { after: None, which: Which::All, until: None };
            let reply = server.ask_as(Caller::Agent(agent.clone()), Command::Talk(ask), now)?;
            let Reply::Talk(TalkReply::Mail(facts)) = reply else { bail!("no inbox: {reply:?}") };
            let unread = self.unread.get(agent).map_or(0, BTreeSet::len);
            ensure!(facts.unread == unread as u64, "{agent} has {unread} unread, and the server {facts:?}");
        }
        for (key, version) in &self.versions {
            let ask = TalkCommand::Look { key: key.clone(), after: None, until: None };
            let Some(agent) = agents.first() else { bail!("nobody can look") };
            let reply = server.ask_as(Caller::Agent(agent.clone()), Command::Talk(ask), now)?;
            ensure!(reply == Reply::Talk(TalkReply::Version(*version)), "{key} is {version}, and {reply:?}");
        }
        Ok(())
    }

    /// A change was made under this condition: it must have held, or somebody's change was lost.
    fn changes(&self, key: &StateKey, expected: Precondition) -> anyhow::Result<()> {
        let current = self.versions.get(key);
        let held = match expected {
            Precondition::Any => true,
            Precondition::Absent => current.is_none(),
            Precondition::Present => current.is_some(),
            Precondition::Version(version) => current == Some(&version),
        };
        ensure!(held, "{key} was changed under {expected:?}, and was {current:?}");
        Ok(())
    }
}
