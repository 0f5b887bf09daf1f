//! Write a policy for Longhouse.
//!
//! A policy is a type that is read from its configuration, and one trait that says what it decides:
//!
//! ```
//! use longhouse_policy::{Place, Policy, Ranker, TaskFacts};
//!
//! /// The first made is the first done.
//! #[derive(serde::Deserialize)]
//! struct Fifo {}
//!
//! impl Policy for Fifo {}
//!
//! impl Ranker for Fifo {
//!     fn rank(&self, task: &TaskFacts, _now_ms: u64) -> Place {
//!         Place::at(task.created_at_ms)
//!     }
//! }
//!
//! longhouse_policy::ranker!(Fifo);
//! ```
//!
//! It decides by `&self` alone, so that it cannot keep anything from one decision to the next. Its name, version and summary
//! are those of its crate, without a leading `policy-`. In tests it is a type like any other, and [`harness`] has what they
//! need.

mod bindings;
mod export;
pub mod harness;

use serde::de::DeserializeOwned;

pub use bindings::longhouse::policy::types::{
    Admit, AgentFacts, Candidate, Description, GroupFacts, LockFacts, LockMode, LockRequest, Narrowing, Pick,
    Place, RunLimits, RunRequest, TaskFacts, Verdict,
};

// What the macros need.
#[doc(hidden)]
pub use {
    bindings::longhouse::policy::{console, types},
    export::Slot,
    wit_bindgen,
};

/// What every policy is. The type is its configuration: JSON is read into it, `{}` where nothing was configured.
///
/// Give fields defaults with `#[serde(default)]`, and refuse what is misspelt with `#[serde(deny_unknown_fields)]`.
pub trait Policy: DeserializeOwned + Send + Sync + 'static {
    /// Whether the configuration makes sense; the error is told to whoever wrote it.
    ///
    /// # Errors
    /// In words: what is wrong, and what it should be.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Says in which order tasks are handed out. Exported with [`ranker!`].
pub trait Ranker: Policy {
    /// A task's place, which time must not change: it is asked for when the task becomes ready.
    fn rank(&self, task: &TaskFacts, now_ms: u64) -> Place;
}

/// Also chooses among the first. Exported with [`scheduler!`].
pub trait Scheduler: Ranker {
    /// Whether it looks at [`Candidate::near`], which takes time to find out.
    const WANTS_NEAR: bool = false;

    /// From 1 to `claim.want` of the candidates, the best first.
    fn select(&self, claim: &Claim) -> Vec<Pick>;
}

/// Decides about locks and about tasks that touch the same paths. Exported with [`conflict!`].
pub trait Conflict: Policy {
    /// What becomes of a request, where `held` are the locks in force that are about some of the same paths.
    fn decide(&self, request: &LockRequest, held: &[LockFacts]) -> Verdict;

    /// Whether `task` may be handed out while `running`, which touch some of the same paths, are in progress.
    fn overlap(&self, task: &TaskFacts, running: &[TaskFacts]) -> bool;
}

/// Decides about runs. Exported with [`admission!`].
pub trait Admission: Policy {
    /// Whether the run may begin, and within what.
    fn review(&self, run: &RunRequest, agent: &AgentFacts) -> Admit;
}

/// Somebody asks for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The tasks that it could be given: 1 to 64.
    pub window: Vec<Candidate>,
    /// The groups that they are in.
    pub groups: Vec<GroupFacts>,
    /// Who asks.
    pub agent: AgentFacts,
    /// How many tasks it wants.
    pub want: u32,
    /// The time, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Differs from claim to claim.
    pub seed: u64,
}

impl Claim {
    /// The best `want` candidates: those with the lowest `key`, among equals the earlier in the window.
    pub fn lowest<K: Ord>(
        &self,
        key: impl Fn(&Candidate) -> K,
        reason: impl Fn(&Candidate) -> String,
    ) -> Vec<Pick> {
        let mut order: Vec<(u32, &Candidate)> = (0..).zip(&self.window).collect();
        order.sort_by_cached_key(|(_, candidate)| key(candidate));
        order.truncate(usize::try_from(self.want).unwrap_or(usize::MAX));
        order.into_iter().map(|(index, candidate)| Pick { index, reason: reason(candidate) }).collect()
    }

    /// The group of a candidate of this claim.
    ///
    /// # Panics
    /// When it is not of this claim.
    pub fn group(&self, candidate: &Candidate) -> &GroupFacts {
        &self.groups[usize::try_from(candidate.group).expect("an index fits")]
    }
}

impl Place {
    /// A place by this key, in no particular group. What is beyond `i64` comes last.
    pub fn at(key: impl TryInto<i64>) -> Self {
        Self { key: key.try_into().unwrap_or(i64::MAX), group: String::new() }
    }

    /// The same, in this group.
    #[must_use]
    pub fn in_group(self, group: impl Into<String>) -> Self {
        Self { group: group.into(), ..self }
    }
}

impl TaskFacts {
    /// When it was made, in milliseconds, less `point_ms` for each point of its priority: an order in which waiting counts as
    /// priority does, and that time does not change.
    pub fn aged_ms(&self, point_ms: u32) -> i64 {
        let made = i64::try_from(self.created_at_ms).unwrap_or(i64::MAX);
        made.saturating_sub(i64::from(self.priority) * i64::from(point_ms))
    }

    /// What follows `prefix:` in the first label that has it.
    pub fn label(&self, prefix: &str) -> Option<&str> {
        self.labels.iter().find_map(|label| label.strip_prefix(prefix)?.strip_prefix(':'))
    }
}

/// Leaves words for whoever tries the policy.
pub fn print(text: &str) {
    export::print(text);
}
