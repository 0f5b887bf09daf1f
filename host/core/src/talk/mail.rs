//! Inboxes, as far as decisions need them: numbers, no texts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Extent, MailFacts, Which};
use crate::{AgentName, ChannelName, MessageId};

/// The most messages in an inbox that are not acknowledged.
const MAX_UNREAD: usize = 1_000;
/// The most channels that one agent follows.
pub(crate) const MAX_CHANNELS: usize = 100;

/// One agent's inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Inbox {
    unread: BTreeSet<MessageId>,
    last: MessageId,
}

/// All inboxes, and who follows what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mail {
    last: MessageId,
    inboxes: BTreeMap<AgentName, Inbox>,
    followers: BTreeMap<ChannelName, BTreeSet<AgentName>>,
    follows: BTreeMap<AgentName, BTreeSet<ChannelName>>,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            last: MessageId(0),
            inboxes: BTreeMap::new(),
            followers: BTreeMap::new(),
            follows: BTreeMap::new(),
        }
    }
}

impl Mail {
    pub(crate) fn rebuild(
        last: u64,
        received: Vec<(AgentName, MessageId)>,
        unread: Vec<(AgentName, MessageId)>,
        follows: Vec<(AgentName, ChannelName)>,
    ) -> Self {
        let mut mail = Self { last: MessageId(last), ..Self::default() };
        for (agent, last) in received {
            mail.inboxes.insert(agent, Inbox { unread: BTreeSet::new(), last });
        }
        for (agent, message) in unread {
            mail.deliver(&agent, message);
        }
        for (agent, channel) in follows {
            mail.follow(&agent, &channel);
        }
        mail
    }

    /// The last message that was sent.
    pub(crate) const fn last(&self) -> MessageId {
        self.last
    }

    /// The number for one more.
    pub(crate) const fn next(&mut self) -> MessageId {
        self.last = MessageId(self.last.0 + 1);
        self.last
    }

    /// How many of an agent's messages are not acknowledged, if its inbox takes no more.
    pub(crate) fn full(&self, agent: &AgentName) -> Option<usize> {
        let unread = self.inboxes.get(agent)?.unread.len();
        (unread >= MAX_UNREAD).then_some(unread)
    }

    /// Puts a message into an inbox.
    pub(crate) fn deliver(&mut self, agent: &AgentName, message: MessageId) {
        let empty = || Inbox { unread: BTreeSet::new(), last: message };
        let inbox = self.inboxes.entry(agent.clone()).or_insert_with(empty);
        inbox.last = inbox.last.max(message);
        inbox.unread.insert(message);
    }

    /// Acknowledges. Returns what was not before.
    pub(crate) fn ack(&mut self, agent: &AgentName, message: MessageId, extent: Extent) -> Vec<MessageId> {
        let Some(inbox) = self.inboxes.get_mut(agent) else { return Vec::new() };
        match extent {
            Extent::One => inbox.unread.take(&message).into_iter().collect(),
            Extent::UpTo => {
                let later = inbox.unread.split_off(&MessageId(message.0.saturating_add(1)));
                std::mem::replace(&mut inbox.unread, later).into_iter().collect()
            }
        }
    }

    /// How an inbox stands for whoever reads it after this message.
    pub(crate) fn facts(&self, agent: &AgentName, after: Option<MessageId>) -> MailFacts {
        let Some(inbox) = self.inboxes.get(agent) else {
            let (none, after) = (MessageId(0), after.unwrap_or(MessageId(0)));
            return MailFacts { after, last: none, unread: 0, cursor: none };
        };
        let first = inbox.unread.first();
        let cursor = first.map_or(inbox.last, |first| MessageId(first.0.saturating_sub(1)));
        let unread = u64::try_from(inbox.unread.len()).unwrap_or(u64::MAX);
        MailFacts { after: after.unwrap_or(cursor), last: inbox.last, unread, cursor }
    }

    /// Whether there is something to read.
    pub(crate) fn has(&self, agent: &AgentName, after: MessageId, which: Which) -> bool {
        let Some(inbox) = self.inboxes.get(agent) else { return false };
        let newest = match which {
            Which::All => Some(inbox.last),
            Which::Unread => inbox.unread.last().copied(),
        };
        newest.is_some_and(|newest| newest > after)
    }

    /// Who follows a channel.
    pub(crate) fn followers(&self, channel: &ChannelName) -> impl Iterator<Item = &AgentName> {
        self.followers.get(channel).into_iter().flatten()
    }

    /// The channels that an agent follows.
    pub(crate) fn followed(&self, agent: &AgentName) -> Option<&BTreeSet<ChannelName>> {
        self.follows.get(agent)
    }

    /// The agent follows the channel from now on.
    pub(crate) fn follow(&mut self, agent: &AgentName, channel: &ChannelName) {
        self.followers.entry(channel.clone()).or_default().insert(agent.clone());
        self.follows.entry(agent.clone()).or_default().insert(channel.clone());
    }

    /// It does not any more; `false` if it did not before.
    pub(crate) fn unfollow(&mut self, agent: &AgentName, channel: &ChannelName) -> bool {
        take(&mut self.followers, channel, agent);
        take(&mut self.follows, agent, channel)
    }

    /// Takes away everything of an agent that is no more.
    pub(crate) fn remove(&mut self, agent: &AgentName) {
        self.inboxes.remove(agent);
        for channel in self.follows.remove(agent).into_iter().flatten() {
            take(&mut self.followers, &channel, agent);
        }
    }
}

/// Takes an entry out of its set, and the set out if that was its last.
fn take<K: Ord, V: Ord>(sets: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) -> bool {
    let Some(set) = sets.get_mut(key) else { return false };
    let taken = set.remove(value);
    if set.is_empty() {
        sets.remove(key);
    }
    taken
}
