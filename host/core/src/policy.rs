//! Policies: which of them decide.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::InvalidId;

/// What a policy decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// Who gets which task.
    Scheduler,
    /// Locks, and what may go on side by side.
    Conflict,
    /// Which runs may begin.
    Admission,
}

impl PolicyKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Scheduler, Self::Conflict, Self::Admission];

    /// As the API and the store write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduler => "scheduler",
            Self::Conflict => "conflict",
            Self::Admission => "admission",
        }
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PolicyKind {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| InvalidId::new(text, "a kind of policy (scheduler, conflict or admission)"))
    }
}

/// A component with a configuration: what decides, and what its decisions can be made again with. Hexadecimal digits of a
/// hash of both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyVersion(Arc<str>);

impl PolicyVersion {
    /// The version that these digits name.
    pub fn new(digits: &str) -> Self {
        Self(digits.into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many policies before the one in force are remembered, to go back to.
const REMEMBERED: usize = 16;

/// The policies in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Policies {
    scheduler: InForce,
    conflict: InForce,
    admission: InForce,
}

/// What decides something, and what did before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InForce {
    /// The version; `None` is the host.
    pub version: Option<PolicyVersion>,
    /// Those before it, the latest last.
    pub before: Vec<Option<PolicyVersion>>,
}

impl Policies {
    /// What decides this; `None` if the host does.
    pub const fn of(&self, kind: PolicyKind) -> Option<&PolicyVersion> {
        self.in_force(kind).version.as_ref()
    }

    /// The same, with those before it.
    pub const fn in_force(&self, kind: PolicyKind) -> &InForce {
        match kind {
            PolicyKind::Scheduler => &self.scheduler,
            PolicyKind::Conflict => &self.conflict,
            PolicyKind::Admission => &self.admission,
        }
    }

    /// From now on this decides. What did is remembered.
    pub(crate) fn set(&mut self, kind: PolicyKind, version: Option<PolicyVersion>) {
        let in_force = self.of_mut(kind);
        let before = std::mem::replace(&mut in_force.version, version);
        in_force.before.push(before);
        let forgotten = in_force.before.len().saturating_sub(REMEMBERED);
        in_force.before.drain(..forgotten);
    }

    /// From now on what did before decides again, if that is `to`.
    pub(crate) fn roll_back(&mut self, kind: PolicyKind, to: Option<&PolicyVersion>) -> bool {
        let in_force = self.of_mut(kind);
        match in_force.before.pop_if(|before| before.as_ref() == to) {
            Some(before) => {
                in_force.version = before;
                true
            }
            None => false,
        }
    }

    const fn of_mut(&mut self, kind: PolicyKind) -> &mut InForce {
        match kind {
            PolicyKind::Scheduler => &mut self.scheduler,
            PolicyKind::Conflict => &mut self.conflict,
            PolicyKind::Admission => &mut self.admission,
        }
    }
}

/// What can be asked about policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyCommand {
    /// From now on this decides. Admins; the operator.
    Set {
        /// What.
        kind: PolicyKind,
        /// By which version; `None` is the host.
        version: Option<PolicyVersion>,
    },
    /// What decided before does again. Admins; the operator.
    RollBack {
        /// What.
        kind: PolicyKind,
        /// To which version, as whoever asks has seen it.
        to: Option<PolicyVersion>,
    },
    /// Tell which policies are in force. Everybody.
    Find,
    /// This decides no more, because of what it did. The server.
    Eject {
        /// What.
        kind: PolicyKind,
        /// Which version, if it still does.
        version: PolicyVersion,
        /// Why.
        reason: Arc<str>,
    },
}

/// Something that happened to policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PolicyEvent {
    /// Another decides.
    Set { kind: PolicyKind, version: Option<PolicyVersion>, before: Option<PolicyVersion> },
    /// It decides no more, and the host does.
    Ejected { kind: PolicyKind, version: PolicyVersion, reason: Arc<str> },
}

impl PolicyEvent {
    /// The type as the API writes it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Set { .. } => "policy.set",
            Self::Ejected { .. } => "policy.ejected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_goes_back_the_way_one_came() {
        let version = |number: usize| Some(PolicyVersion::new(&number.to_string()));
        let kind = PolicyKind::Conflict;
        let mut policies = Policies::default();
        for number in 1..=20 {
            policies.set(kind, version(number));
        }
        assert!(!policies.roll_back(kind, version(18).as_ref()), "that is not what was before");
        for number in (4..20).rev() {
            assert!(policies.roll_back(kind, version(number).as_ref()), "{number}");
            assert_eq!(policies.of(kind), version(number).as_ref());
        }
        assert!(!policies.roll_back(kind, version(3).as_ref()), "forgotten");
        assert_eq!(policies.of(PolicyKind::Scheduler), None);
    }
}
