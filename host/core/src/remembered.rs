//! Answers that are kept so that a repeated request has its effect once.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AgentName, Key, Reply, Timestamp};

/// How long an answer is kept, in milliseconds: 24 h.
const KEPT_MS: u64 = 24 * 3_600 * 1_000;
/// The most answers kept for one agent; beyond that the oldest goes early.
const KEPT_PER_AGENT: usize = 10_000;

/// A request that is to have its effect once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyed {
    /// What its caller calls it.
    pub key: Key,
    /// What it says, hashed: another request may not come under the same key.
    pub hash: u64,
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReply {
    /// To whom it was given.
    pub agent: AgentName,
    /// For which request.
    pub keyed: Keyed,
    /// What was answered.
    pub reply: Arc<Reply>,
    /// When.
    pub at: Timestamp,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Remembered(BTreeMap<AgentName, OfAgent>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct OfAgent {
    replies: HashMap<Key, KeptReply>,
    by_age: VecDeque<(Timestamp, Key)>,
}

impl Remembered {
    /// The answer kept under the agent's key.
    pub(crate) fn get(&self, agent: &AgentName, key: &Key, now: Timestamp) -> Option<&KeptReply> {
        self.0.get(agent)?.replies.get(key).filter(|kept| kept.at.plus_millis(KEPT_MS) > now)
    }

    /// Keeps an answer. Returns the keys of this agent that are forgotten in turn.
    pub(crate) fn keep(&mut self, kept: KeptReply) -> Vec<Key> {
        let now = kept.at;
        let theirs = self.0.entry(kept.agent.clone()).or_default();
        theirs.by_age.push_back((now, kept.keyed.key.clone()));
        theirs.replies.insert(kept.keyed.key.clone(), kept);
        let mut forgotten = Vec::new();
        while let Some((at, _)) = theirs.by_age.front()
            && (at.plus_millis(KEPT_MS) <= now || theirs.by_age.len() > KEPT_PER_AGENT)
            && let Some((at, key)) = theirs.by_age.pop_front()
        {
            // A key that was used again later is kept from then on.
            if theirs.replies.get(&key).is_some_and(|kept| kept.at == at) {
                theirs.replies.remove(&key);
                forgotten.push(key);
            }
        }
        forgotten
    }

    /// Every answer that is kept.
    #[cfg(test)]
    pub(crate) fn all(&self) -> BTreeMap<(&AgentName, &Key), &KeptReply> {
        let mut all = BTreeMap::new();
        for (agent, theirs) in &self.0 {
            all.extend(theirs.replies.iter().map(|(key, kept)| ((agent, key), kept)));
        }
        all
    }

    /// Forgets everything of an agent that is no more.
    pub(crate) fn forget(&mut self, agent: &AgentName) {
        self.0.remove(agent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(remembered: &mut Remembered, key: usize, at: u64) -> Vec<String> {
        let kept = KeptReply {
            agent: "a".parse().unwrap(),
            keyed: Keyed { key: key.to_string().parse().unwrap(), hash: 1 },
            reply: Arc::new(Reply::Done),
            at: Timestamp::from_millis(at),
        };
        remembered.keep(kept).iter().map(|key| key.as_str().to_owned()).collect()
    }

    #[test]
    fn an_answer_is_kept_for_a_day_and_no_more_than_so_many() {
        let mut remembered = Remembered::default();
        assert!(keep(&mut remembered, 1, 0).is_empty());
        let get = |remembered: &Remembered, at| {
            let (agent, key) = ("a".parse().unwrap(), "1".parse().unwrap());
            remembered.get(&agent, &key, Timestamp::from_millis(at)).is_some()
        };
        assert!(get(&remembered, KEPT_MS - 1) && !get(&remembered, KEPT_MS));
        assert_eq!(keep(&mut remembered, 2, KEPT_MS), ["1"]);
        let forgotten: Vec<String> =
            (0..KEPT_PER_AGENT).flat_map(|n| keep(&mut remembered, n + 3, KEPT_MS + 1)).collect();
        assert_eq!(forgotten, ["2"]);
    }
}
