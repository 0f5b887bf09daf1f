//! What is asked for. Checked once, when it comes in.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Hold;
use crate::{AgentName, Budget, Capability, Key, Label, PathPattern, TaskId, Timestamp};

/// The longest title, in bytes.
pub const MAX_TITLE: usize = 300;
/// The longest description, note or result, in bytes: 64 KiB.
pub const MAX_TEXT: usize = 64 << 10;
/// The most entries in any list of a task.
const MAX_LIST: usize = 256;

/// What a person or an agent reads of a task. Stays in the database, not in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskBody {
    /// In a line.
    pub title: Arc<str>,
    /// What is to be done, and how one can tell that it is.
    pub description: Arc<str>,
}

/// What decides when, by whom and how often a task is worked on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskSpec {
    /// Higher comes earlier.
    pub priority: Priority,
    /// Must have ended before it begins.
    pub depends_on: Vec<TaskId>,
    /// What its worker must advertise; sorted, without repeats.
    pub capabilities: Box<[Capability]>,
    /// The only agent that may claim it, if any.
    pub assigned_to: Option<AgentName>,
    /// Paths it will change.
    pub touches: Vec<PathPattern>,
    /// What has to pass before it is completed.
    pub verify: Option<Verify>,
    /// How often it may be tried before it has failed, at least 1.
    pub max_attempts: u32,
    /// How long to wait between attempts.
    pub backoff: Backoff,
    /// Not to be begun before.
    pub not_before: Option<Timestamp>,
    /// Worthless afterwards: fails then, unless somebody is at it.
    pub deadline: Option<Timestamp>,
    /// The task it is a part of.
    pub parent: Option<TaskId>,
    /// Unique: another task with this key is this task.
    pub key: Option<Key>,
    /// What it is grouped by; sorted, without repeats.
    pub labels: Box<[Label]>,
    /// What becomes of it when a task it depends on fails or is cancelled.
    pub on_parent_failure: OnParentFailure,
    /// The work that it judges, if it is a check.
    pub checks: Option<Hold>,
    /// How much may be used for it; then it waits for somebody to decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// How much a task matters, from −100 to 100; 0 unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Priority(i8);

/// What has to pass before a task is completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// A command that must exit with 0, run in the sandbox without changing anything.
    Run(Vec<String>),
    /// A judgement by an agent that advertises this: a task of its own, done if the judgement is good.
    Agent(Capability),
}

/// How long a failed task waits for its next attempt: `base` doubled with each attempt, at most `max`, then
/// somewhere between half of that and all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// Before the second attempt, in milliseconds.
    pub base_ms: u64,
    /// At most, in milliseconds.
    pub max_ms: u64,
}

/// What becomes of a task when one that it depends on fails or is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnParentFailure {
    /// It is cancelled.
    #[default]
    Cancel,
    /// It begins all the same, and whoever claims it is told of the failure.
    Run,
    /// It begins as if it had never depended on it.
    Ignore,
}

/// Why a task cannot be as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTask {
    /// No title.
    #[error("title is empty")]
    NoTitle,
    /// A text is too long.
    #[error("{field} has {bytes} bytes; at most {limit} are kept")]
    TooLong {
        /// Which.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// A list is too long.
    #[error("{field} has {len} entries; at most {MAX_LIST} are allowed")]
    TooMany {
        /// Which.
        field: &'static str,
        /// How long it is.
        len: usize,
    },
    /// A priority that is none.
    #[error("priority {0} is not between -100 and 100")]
    Priority(i64),
    /// It could never be tried.
    #[error("max_attempts must be from 1 to 1000")]
    Attempts,
    /// A command without a name.
    #[error("verify is an empty command")]
    EmptyVerify,
}

impl Priority {
    /// The number.
    pub const fn get(self) -> i8 {
        self.0
    }
}

impl TryFrom<i64> for Priority {
    type Error = InvalidTask;

    fn try_from(priority: i64) -> Result<Self, InvalidTask> {
        match i8::try_from(priority) {
            Ok(small @ -100..=100) => Ok(Self(small)),
            Ok(_) | Err(_) => Err(InvalidTask::Priority(priority)),
        }
    }
}

impl From<Priority> for i64 {
    fn from(priority: Priority) -> Self {
        Self::from(priority.0)
    }
}

impl Default for Backoff {
    /// 5 s, at most 10 min.
    fn default() -> Self {
        Self { base_ms: 5_000, max_ms: 600_000 }
    }
}

impl Backoff {
    /// How long to wait after the failed attempt number `attempt`, counted from 1. `seed` picks the jitter.
    pub fn after(&self, attempt: u32, seed: u64) -> Duration {
        let doubled = self.base_ms.saturating_mul(1 << attempt.saturating_sub(1).min(32));
        let whole = doubled.min(self.max_ms);
        let half = whole / 2;
        Duration::from_millis(half + seed % (whole - half + 1))
    }
}

impl TaskBody {
    /// A body of these texts.
    ///
    /// # Errors
    /// When the title is empty or one of them is too long.
    pub fn new(title: &str, description: &str) -> Result<Self, InvalidTask> {
        let title = title.trim();
        if title.is_empty() {
            return Err(InvalidTask::NoTitle);
        }
        check_text("title", title, MAX_TITLE)?;
        check_text("description", description, MAX_TEXT)?;
        Ok(Self { title: title.into(), description: description.into() })
    }
}

impl TaskSpec {
    /// How often a task is tried unless it says otherwise.
    pub const DEFAULT_ATTEMPTS: u32 = 3;

    /// The same with its lists sorted and their repeats dropped.
    ///
    /// # Errors
    /// When something of it cannot be.
    pub fn normalised(mut self) -> Result<Self, InvalidTask> {
        for (field, len) in [
            ("depends_on", self.depends_on.len()),
            ("capabilities", self.capabilities.len()),
            ("touches", self.touches.len()),
            ("labels", self.labels.len()),
        ] {
            if len > MAX_LIST {
                return Err(InvalidTask::TooMany { field, len });
            }
        }
        if !(1..=1_000).contains(&self.max_attempts) {
            return Err(InvalidTask::Attempts);
        }
        if let Some(Verify::Run(argv)) = &self.verify {
            if argv.first().is_none_or(String::is_empty) {
                return Err(InvalidTask::EmptyVerify);
            }
            check_text("verify", &argv.concat(), MAX_TEXT)?;
        }
        self.depends_on = sorted(self.depends_on);
        self.capabilities = sorted(self.capabilities.into_vec()).into();
        self.labels = sorted(self.labels.into_vec()).into();
        Ok(self)
    }
}

fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items.dedup();
    items
}

fn check_text(field: &'static str, text: &str, limit: usize) -> Result<(), InvalidTask> {
    let bytes = text.len();
    if bytes > limit { Err(InvalidTask::TooLong { field, bytes, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pause_grows_and_stays_within_its_bounds(base_ms in 0u64..10_000, max_ms in 0u64..100_000, attempt in 1u32..200, seed: u64) {
            let backoff = Backoff { base_ms, max_ms };
            let pause = u64::try_from(backoff.after(attempt, seed).as_millis()).unwrap();
            prop_assert!(pause <= max_ms);
            let whole = u128::from(base_ms).saturating_mul(1 << (attempt - 1).min(32)).min(u128::from(max_ms));
            prop_assert!(u128::from(pause) >= whole / 2);
        }
    }

    #[test]
    fn a_priority_has_bounds() {
        assert!(Priority::try_from(100).is_ok() && Priority::try_from(-100).is_ok());
        assert_eq!(Priority::try_from(101), Err(InvalidTask::Priority(101)));
    }

    #[test]
    fn lists_are_sets() {
        let labels = ["b", "a", "b"].map(|label| label.parse().unwrap()).into();
        let spec = TaskSpec { labels, max_attempts: 1, ..TaskSpec::default() }.normalised().unwrap();
        assert_eq!(spec.labels.iter().map(Label::as_str).collect::<Vec<_>>(), ["a", "b"]);
    }
}
