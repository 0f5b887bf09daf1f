//! What a store keeps of talk: the rows, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::*;

#[derive(Debug, Clone, Default)]
pub(in super::super) struct TalkStore {
    last_message: u64,
    last_version: u64,
    /// Whether each message of each inbox was acknowledged.
    pub(super) inboxes: BTreeMap<AgentName, BTreeMap<MessageId, bool>>,
    follows: BTreeSet<(AgentName, ChannelName)>,
    pub(super) values: BTreeMap<StateKey, (StateVersion, Arc<str>)>,
}

impl TalkStore {
    pub(in super::super) fn apply(&mut self, row: TalkRow) {
        match row {
            TalkRow::Insert(message) => {
                assert_eq!(message.id.0, self.last_message + 1, "messages are numbered without gaps");
                self.last_message = message.id.0;
                for agent in message.to {
                    let inbox = self.inboxes.entry(agent).or_default();
                    assert!(inbox.insert(message.id, false).is_none(), "it lay there before");
                }
            }
            TalkRow::Ack(agent, messages, _) => {
                for message in messages {
                    let acked = self.inboxes.get_mut(&agent).and_then(|inbox| inbox.get_mut(&message));
                    assert!(!std::mem::replace(acked.expect("it lies there"), true), "acknowledged twice");
                }
            }
            TalkRow::Forget(_) => panic!("no history here is so long"),
            TalkRow::Follow(agent, channel) => assert!(self.follows.insert((agent, channel))),
            TalkRow::Unfollow(agent, channel) => assert!(self.follows.remove(&(agent, channel))),
            TalkRow::RemoveAgent(name) => {
                self.inboxes.remove(&name);
                self.follows.retain(|(agent, _)| *agent != name);
            }
            TalkRow::Set { key, version, value, .. } => {
                assert!(version.0 > self.last_version, "a version was given twice");
                self.last_version = version.0;
                self.values.insert(key, (version, value));
            }
            TalkRow::Delete(key) => assert!(self.values.remove(&key).is_some()),
            TalkRow::SetProgress(_) => {}
        }
    }

    pub(in super::super) fn seed(&self) -> TalkSeed {
        let received = |(agent, inbox): (&AgentName, &BTreeMap<MessageId, bool>)| {
            Some((agent.clone(), *inbox.last_key_value()?.0))
        };
        let unread = |(agent, inbox): (&AgentName, &BTreeMap<MessageId, bool>)| {
            let unread = inbox.iter().filter(|(_, acked)| !**acked);
            unread.map(|(message, _)| (agent.clone(), *message)).collect::<Vec<_>>()
        };
        TalkSeed {
            last_message: self.last_message,
            received: self.inboxes.iter().filter_map(received).collect(),
            unread: self.inboxes.iter().flat_map(unread).collect(),
            follows: self.follows.iter().cloned().collect(),
            last_version: self.last_version,
            keys: self
                .values
                .iter()
                .map(|(key, (version, value))| {
                    (key.clone(), *version, (key.as_str().len() + value.len()) as u64)
                })
                .collect(),
        }
    }
}
