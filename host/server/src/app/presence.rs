//! Signs of life: what keeps the leases of agents that only do other things.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use longhouse_core::{AgentName, Session, Timestamp};

/// How long after a sign of life another one of the same agent and session says nothing new, in milliseconds.
const FRESH_MS: u64 = 200;

/// The most agents and sessions remembered; those beyond are always news.
const MOST: usize = 4_096;

/// Who showed up lately.
#[derive(Default)]
pub(super) struct Presence {
    seen: Mutex<HashMap<(AgentName, Option<Session>), Timestamp>>,
}

impl Presence {
    /// Whether the coordinator should be told that this agent is here, in this session.
    pub(super) fn is_news(&self, agent: &AgentName, session: Option<&Session>, now: Timestamp) -> bool {
        let is_fresh = |at: &Timestamp| now.as_millis() < at.as_millis().saturating_add(FRESH_MS);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let who = (agent.clone(), session.cloned());
        if seen.get(&who).is_some_and(is_fresh) {
            return false;
        }
        if seen.len() >= MOST {
            seen.retain(|_, at| is_fresh(at));
        }
        if seen.len() < MOST {
            seen.insert(who, now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn an_agent_is_news_once_in_a_while_in_each_session() {
        let presence = Presence::default();
        let (agent, session): (AgentName, Session) = ("a".parse().unwrap(), "s".parse().unwrap());
        assert!(presence.is_news(&agent, None, at(1_000)));
        assert!(!presence.is_news(&agent, None, at(1_199)));
        assert!(presence.is_news(&agent, Some(&session), at(1_199)));
        assert!(presence.is_news(&agent, None, at(1_200)));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nobody_is_forgotten_for_it() {
        let presence = Presence::default();
        let agent: AgentName = "a".parse().unwrap();
        for n in 0..2 * MOST {
            let session = format!("s{n}").parse().unwrap();
            assert!(presence.is_news(&agent, Some(&session), at(1_000)));
        }
        assert_eq!(presence.seen.lock().unwrap().len(), MOST);
        assert!(presence.is_news(&agent, None, at(1_200)));
        assert_eq!(presence.seen.lock().unwrap().len(), 1);
    }
}
