//! What should come of a command: the rules once more, by plain lists and without any order.

use std::collections::{BTreeMap, BTreeSet};

use crate::*;

/// The most unread messages of an inbox.
const MOST_UNREAD: usize = 1_000;

#[derive(Default)]
pub(super) struct Reference {
    pub(super) agents: BTreeMap<AgentName, Role>,
    /// In the order they came, and whether each was acknowledged.
    pub(super) inboxes: BTreeMap<AgentName, Vec<(u64, bool)>>,
    pub(super) last_message: u64,
    follows: BTreeSet<(AgentName, ChannelName)>,
    pub(super) values: BTreeMap<StateKey, (u64, String)>,
    pub(super) last_version: u64,
    pub(super) waits: Vec<(Waiter, AgentName, Wants, Timestamp)>,
    /// Who holds `t1`; nobody holds `t2`, and there are no others.
    pub(super) holder: Option<AgentName>,
}

#[derive(Clone)]
pub(super) enum Wants {
    Mail(u64, Which),
    Key(StateKey, u64),
}

/// What a waiter or a caller is told; `None` while it waits.
pub(super) type Told = Option<Result<Reply, &'static str>>;

impl Reference {
    /// Answers whoever has waited long enough.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<(Waiter, Result<Reply, &'static str>)> {
        let waits = std::mem::take(&mut self.waits);
        let (due, left): (Vec<_>, Vec<_>) = waits.into_iter().partition(|(.., until)| *until <= now);
        self.waits = left;
        due.into_iter().map(|(waiter, agent, wants, _)| (waiter, Ok(self.now(&agent, &wants)))).collect()
    }

    /// Answers whoever has what it waited for.
    pub(super) fn woken(&mut self) -> Vec<(Waiter, Result<Reply, &'static str>)> {
        let waits = std::mem::take(&mut self.waits);
        let (gone, there): (Vec<_>, Vec<_>) =
            waits.into_iter().partition(|(_, agent, ..)| !self.agents.contains_key(agent));
        let (met, left): (Vec<_>, Vec<_>) =
            there.into_iter().partition(|(_, agent, wants, _)| self.is_met(agent, wants));
        self.waits = left;
        let met = met.into_iter().map(|(waiter, agent, wants, _)| (waiter, Ok(self.now(&agent, &wants))));
        gone.into_iter()
            .map(|(waiter, ..)| (waiter, Err("caller_gone")))
            .chain(met.collect::<Vec<_>>())
            .collect()
    }

    pub(super) fn take(
        &mut self,
        caller: &AgentName,
        waiter: Waiter,
        now: Timestamp,
        command: &TalkCommand,
    ) -> Told {
        let Some(role) = self.agents.get(caller).copied() else { return Some(Err("caller_gone")) };
        let needs = match command {
            TalkCommand::Send(_) | TalkCommand::Set(..) | TalkCommand::Delete(..) => Role::Worker,
            TalkCommand::SetProgress(_) => Role::Coordinator,
            TalkCommand::Inbox { .. }
            | TalkCommand::Ack(..)
            | TalkCommand::Follow(_)
            | TalkCommand::Unfollow(_)
            | TalkCommand::Look { .. } => Role::Observer,
        };
        if role < needs {
            return Some(Err("role_too_low"));
        }
        match command {
            TalkCommand::Send(new) => Some(self.send(caller, new)),
            TalkCommand::Inbox { after, which, until } => {
                let after = after.map_or(self.facts(caller, 0).cursor.0, |after| after.0);
                if after > self.last_message {
                    return Some(Err("ahead"));
                }
                self.wait(caller, waiter, Wants::Mail(after, *which), *until, now)
            }
            TalkCommand::Look { key, after, until } => {
                let (known, until) = after.map_or((0, None), |after| (after.0, *until));
                self.wait(caller, waiter, Wants::Key(key.clone(), known), until, now)
            }
            TalkCommand::Ack(message, extent) => Some(self.ack(caller, message.0, *extent)),
            TalkCommand::Follow(channel) => {
                self.follows.insert((caller.clone(), channel.clone()));
                Some(Ok(Reply::Done))
            }
            TalkCommand::Unfollow(channel) => {
                self.follows.remove(&(caller.clone(), channel.clone()));
                Some(Ok(Reply::Done))
            }
            TalkCommand::Set(key, value, expected) => Some(self.set(key, value, *expected)),
            TalkCommand::Delete(key, expected) => Some(self.delete(key, *expected)),
            TalkCommand::SetProgress(_) => Some(Ok(Reply::Done)),
        }
    }

    pub(super) fn remove(&mut self, name: &AgentName) {
        self.agents.remove(name);
        self.inboxes.remove(name);
        self.follows.retain(|(agent, _)| agent != name);
        self.holder = self.holder.take().filter(|holder| holder != name);
    }

    pub(super) fn version(&self, key: &StateKey) -> u64 {
        self.values.get(key).map_or(0, |(version, _)| *version)
    }

    fn wait(
        &mut self,
        agent: &AgentName,
        waiter: Waiter,
        wants: Wants,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Told {
        match until {
            Some(until) if until > now && !self.is_met(agent, &wants) => {
                self.waits.push((waiter, agent.clone(), wants, until));
                None
            }
            Some(_) | None => Some(Ok(self.now(agent, &wants))),
        }
    }

    fn is_met(&self, agent: &AgentName, wants: &Wants) -> bool {
        match wants {
            Wants::Mail(after, which) => {
                let fits = |(id, acked): &(u64, bool)| id > after && (*which == Which::All || !acked);
                self.inboxes.get(agent).into_iter().flatten().any(fits)
            }
            Wants::Key(key, known) => self.version(key) != *known,
        }
    }

    fn now(&self, agent: &AgentName, wants: &Wants) -> Reply {
        Reply::Talk(match wants {
            Wants::Mail(after, _) => TalkReply::Mail(self.facts(agent, *after)),
            Wants::Key(key, _) => TalkReply::Version(StateVersion(self.version(key))),
        })
    }

    fn facts(&self, agent: &AgentName, after: u64) -> MailFacts {
        let inbox = self.inboxes.get(agent).map(Vec::as_slice).unwrap_or_default();
        let last = inbox.last().map_or(0, |(id, _)| *id);
        let first_unread = inbox.iter().find(|(_, acked)| !acked).map(|(id, _)| *id);
        MailFacts {
            after: MessageId(after),
            last: MessageId(last),
            unread: inbox.iter().filter(|(_, acked)| !acked).count() as u64,
            cursor: MessageId(first_unread.map_or(last, |id| id - 1)),
        }
    }

    fn is_full(&self, agent: &AgentName) -> bool {
        self.facts(agent, 0).unread as usize >= MOST_UNREAD
    }

    fn send(&mut self, from: &AgentName, new: &NewMessage) -> Result<Reply, &'static str> {
        if new.to.is_empty() {
            return Err("recipients");
        }
        let (mut to, mut left_out) = (BTreeSet::new(), BTreeSet::new());
        for recipient in &new.to {
            let others = self.agents.keys().filter(|agent| *agent != from);
            let group: Vec<AgentName> = match recipient {
                Recipient::Agent(name) if !self.agents.contains_key(name) => return Err("no_such_agent"),
                Recipient::Agent(name) if self.is_full(name) => return Err("inbox_full"),
                Recipient::Agent(name) => vec![name.clone()],
                Recipient::Holder(TaskId(1)) => match &self.holder {
                    Some(holder) if self.is_full(holder) => return Err("inbox_full"),
                    Some(holder) => vec![holder.clone()],
                    None => return Err("not_held"),
                },
                Recipient::Holder(TaskId(2)) => return Err("not_held"),
                Recipient::Holder(_) => return Err("no_such_task"),
                Recipient::Role(role) => {
                    others.filter(|agent| self.agents[*agent] == *role).cloned().collect()
                }
                Recipient::Everyone => others.cloned().collect(),
                Recipient::Channel(channel) => {
                    let follows =
                        |agent: &&AgentName| self.follows.contains(&((*agent).clone(), channel.clone()));
                    others.filter(follows).cloned().collect()
                }
            };
            if group.is_empty() {
                return Err("nobody");
            }
            if group.iter().all(|agent| self.is_full(agent)) {
                return Err("inbox_full");
            }
            for agent in group {
                if self.is_full(&agent) {
                    left_out.insert(agent)
                } else {
                    to.insert(agent)
                };
            }
        }
        self.last_message += 1;
        for agent in &to {
            self.inboxes.entry(agent.clone()).or_default().push((self.last_message, false));
        }
        let id = MessageId(self.last_message);
        let (to, left_out) = (to.into_iter().collect(), left_out.into_iter().collect());
        Ok(Reply::Talk(TalkReply::Sent(Sent { id, thread: id, to, left_out })))
    }

    fn ack(&mut self, agent: &AgentName, message: u64, extent: Extent) -> Result<Reply, &'static str> {
        if message > self.last_message {
            return Err("ahead");
        }
        let before = self.facts(agent, 0).unread;
        for (id, acked) in self.inboxes.get_mut(agent).into_iter().flatten() {
            *acked |= *id == message || (extent == Extent::UpTo && *id < message);
        }
        let after = self.facts(agent, 0);
        let acked = before - after.unread;
        Ok(Reply::Talk(TalkReply::Acked(Acked { acked, unread: after.unread, cursor: after.cursor })))
    }

    fn set(&mut self, key: &StateKey, value: &str, expected: Precondition) -> Result<Reply, &'static str> {
        self.check(key, expected)?;
        self.last_version += 1;
        self.values.insert(key.clone(), (self.last_version, value.to_owned()));
        Ok(Reply::Talk(TalkReply::Version(StateVersion(self.last_version))))
    }

    fn delete(&mut self, key: &StateKey, expected: Precondition) -> Result<Reply, &'static str> {
        self.check(key, expected)?;
        self.values.remove(key).ok_or("unknown_key")?;
        Ok(Reply::Talk(TalkReply::Version(StateVersion::ABSENT)))
    }

    fn check(&self, key: &StateKey, expected: Precondition) -> Result<(), &'static str> {
        let found = self.values.get(key).map(|(version, _)| *version);
        let holds = match expected {
            Precondition::Any => true,
            Precondition::Absent => found.is_none(),
            Precondition::Present => found.is_some(),
            Precondition::Version(version) => found == Some(version.0),
        };
        holds.then_some(()).ok_or("stale")
    }
}
