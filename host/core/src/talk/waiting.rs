//! Whoever waits for mail, or for a key to change.

use std::collections::{BTreeMap, BTreeSet};

use super::Which;
use crate::{AgentName, MessageId, StateKey, StateVersion, Timestamp, Waiter};

/// Somebody who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) agent: AgentName,
    pub(crate) on: On,
    /// When it has waited long enough.
    pub(crate) until: Timestamp,
}

/// For what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum On {
    /// Mail after this message.
    Mail(MessageId, Which),
    /// Another version than this one.
    Key(StateKey, StateVersion),
}

/// Whose change wakes whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// An agent's inbox.
    Mail(AgentName),
    /// A key.
    Key(StateKey),
}

impl Wait {
    fn subject(&self) -> Subject {
        match &self.on {
            On::Mail(..) => Subject::Mail(self.agent.clone()),
            On::Key(key, _) => Subject::Key(key.clone()),
        }
    }
}

/// All of them, by whom to tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Waits {
    waits: BTreeMap<Waiter, Wait>,
    until: BTreeSet<(Timestamp, Waiter)>,
    by_subject: BTreeSet<(Subject, Waiter)>,
}

impl Waits {
    /// Adds one.
    pub(crate) fn add(&mut self, waiter: Waiter, wait: Wait) {
        self.until.insert((wait.until, waiter));
        self.by_subject.insert((wait.subject(), waiter));
        self.waits.insert(waiter, wait);
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, waiter: Waiter) -> Option<Wait> {
        let wait = self.waits.remove(&waiter)?;
        self.until.remove(&(wait.until, waiter));
        self.by_subject.remove(&(wait.subject(), waiter));
        Some(wait)
    }

    /// Everybody, in the order they came.
    pub(crate) fn waiters(&self) -> impl Iterator<Item = Waiter> {
        self.waits.keys().copied()
    }

    /// What this waiter waits for.
    pub(crate) fn get(&self, waiter: Waiter) -> Option<&Wait> {
        self.waits.get(&waiter)
    }

    /// Those who wait for this to change.
    pub(crate) fn on(&self, subject: &Subject) -> Vec<Waiter> {
        let (first, last) = ((subject.clone(), Waiter(0)), (subject.clone(), Waiter(u64::MAX)));
        self.by_subject.range(first..=last).map(|(_, waiter)| *waiter).collect()
    }

    /// Those of an agent.
    pub(crate) fn of(&self, agent: &AgentName) -> Vec<Waiter> {
        self.waits.iter().filter(|(_, wait)| wait.agent == *agent).map(|(waiter, _)| *waiter).collect()
    }

    /// When the first of them has waited long enough.
    pub(crate) fn first_until(&self) -> Option<(Timestamp, Waiter)> {
        self.until.first().copied()
    }
}
