//! The seam where policies are asked. What they answer is never trusted with a promise.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    AgentFacts, FileGrants, Limits, LimitsRequest, Lock, LockId, LockTerms, PolicyVersion, RunRequest, Task,
    TaskId, Timestamp,
};

/// A task's place in the order of those that are ready: lower comes earlier. Among equals the older one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rank(pub i64);

/// What a task is counted with, such as its tenant; empty if that does not matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Group(Arc<str>);

impl Group {
    /// The group of this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a scheduler does besides ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choosing {
    /// Nothing: the lowest rank comes first.
    #[default]
    No,
    /// It chooses among the first.
    Yes {
        /// Whether it looks at [`Candidate::near`].
        wants_near: bool,
    },
}

/// What a policy may be asked during a step, by its version: `None` is the host itself, which also decides for whatever
/// version is unknown, fails or is too slow. Calls block; an implementation bounds its own time.
///
/// What an implementation leaves out, the host decides: every run the profile allows is admitted, tasks that touch the same
/// paths come one after another, and a point of priority is worth a minute of waiting, so that nothing waits for ever.
pub trait Decide {
    /// Whether this version can be asked.
    fn offers(&mut self, _version: &PolicyVersion) -> bool {
        false
    }

    /// What a scheduler does besides ranking.
    fn choosing(&mut self, _by: Option<&PolicyVersion>) -> Choosing {
        Choosing::No
    }

    /// Where tasks come among those that are ready: a place for each, in their order. `None` if it cannot say now: they have
    /// the host's places until it is asked again. The host always can.
    fn rank(
        &mut self,
        _by: Option<&PolicyVersion>,
        tasks: &[&Task],
        _now: Timestamp,
    ) -> Option<Vec<(Rank, Group)>> {
        Some(tasks.iter().map(|task| (rank_by_priority(task), Group::default())).collect())
    }

    /// Which of the first tasks an agent is given: places in the window, each at most once. Nothing leaves it to the ranks.
    fn choose(&mut self, _by: &PolicyVersion, _choice: &Choice<'_>) -> Vec<Pick> {
        Vec::new()
    }

    /// What becomes of a request for a lock, where `held` are those in force about some of the same paths.
    fn judge(
        &mut self,
        _by: Option<&PolicyVersion>,
        _request: &LockAsked<'_>,
        _held: &[LockHeld<'_>],
    ) -> LockVerdict {
        LockVerdict::Allow
    }

    /// Whether a task may begin while `running`, which touch some of the same paths, are in progress.
    fn may_overlap(&mut self, _by: Option<&PolicyVersion>, _task: &Task, _running: &[&Task]) -> bool {
        false
    }

    /// Whether this run may begin, and within what besides these limits.
    fn review(
        &mut self,
        _by: Option<&PolicyVersion>,
        _run: &RunRequest,
        _limits: &Limits,
        _agent: &AgentFacts,
    ) -> Admit {
        Admit::Allow
    }
}

/// A claim that a scheduler decides about.
#[derive(Debug)]
pub struct Choice<'a> {
    /// The tasks that the agent could be given.
    pub window: Vec<Candidate<'a>>,
    /// The groups that they are in.
    pub groups: Vec<GroupFacts>,
    /// Who asks.
    pub agent: AgentFacts,
    /// How many tasks it wants.
    pub want: u32,
    /// When.
    pub now: Timestamp,
    /// Differs from claim to claim.
    pub seed: u64,
}

/// A task that an agent could be given.
#[derive(Debug)]
pub struct Candidate<'a> {
    /// The task.
    pub task: &'a Task,
    /// Its place in the order.
    pub rank: Rank,
    /// Its group's place among the groups.
    pub group: usize,
    /// Of the files that the agent changed last, how many this task touches; 0 if nobody looks at that.
    pub near: u32,
}

/// How a group stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFacts {
    /// Its name.
    pub group: Group,
    /// Its tasks that could be handed out.
    pub ready: u32,
    /// Its tasks that somebody holds.
    pub held: u32,
    /// For how long tasks of it were held lately, in milliseconds: what was is halved every ten minutes.
    pub served_ms: u64,
}

/// What a scheduler chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Which candidate.
    pub index: usize,
    /// Why.
    pub reason: Arc<str>,
}

/// A lock that is asked for.
#[derive(Debug)]
pub struct LockAsked<'a> {
    /// Who locks what.
    pub terms: &'a LockTerms,
    /// Who asks.
    pub agent: AgentFacts,
    /// How long each renewal lasts, in milliseconds.
    pub ttl_ms: u64,
    /// What for.
    pub reason: &'a str,
    /// When.
    pub now: Timestamp,
}

/// A lock in force about some of the same paths.
#[derive(Debug)]
pub struct LockHeld<'a> {
    /// The lock.
    pub lock: &'a Lock,
    /// Whether both cannot be in force.
    pub conflicts: bool,
}

/// A conflict policy's answer. It cannot grant what conflicts: where something does, that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockVerdict {
    /// It is granted once nothing conflicts.
    Allow,
    /// Not at all, for this reason.
    Deny(Arc<str>),
    /// These end first.
    Break(Vec<LockId>),
}

/// An admission policy's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admit {
    /// As requested.
    Allow,
    /// Within these limits as well, which can only lower what the profile gives, and within each of these grants.
    Narrow(LimitsRequest, Vec<FileGrants>),
    /// Not at all, for this reason.
    Deny(String),
}

/// Why a task was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// It was asked for by its id.
    Named,
    /// It came first by its rank.
    First,
    /// It was the oldest of its kind, or its kind was passed over again and again.
    Oldest,
    /// The scheduler chose it, for this reason.
    Picked(Arc<str>),
}

/// The host's own decisions, in force where no policy is.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostOrder;

impl Decide for HostOrder {}

/// When the task was made, a minute earlier for each point of its priority.
pub(crate) fn rank_by_priority(task: &Task) -> Rank {
    const MINUTE_MS: i64 = 60_000;
    let made = i64::try_from(task.created_at.as_millis()).unwrap_or(i64::MAX);
    Rank(made.saturating_sub(i64::from(task.spec.priority.get()) * MINUTE_MS))
}

/// What was lately, halved again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Decaying {
    amount: u64,
    at: Timestamp,
}

impl Decaying {
    /// What is left of it at `now`, after how many milliseconds half of it counts no more.
    pub(crate) const fn at(self, now: Timestamp, half_life_ms: u64) -> u64 {
        let passed = now.as_millis().saturating_sub(self.at.as_millis());
        let halvings = passed / half_life_ms;
        if halvings >= u64::BITS as u64 {
            return 0;
        }
        // Between two halvings along a straight line, which is never off by more than 6 %: the same on every machine.
        let halved = self.amount >> halvings;
        halved - (halved / 2 * (passed % half_life_ms) / half_life_ms)
    }

    /// With this much more.
    #[must_use]
    pub(crate) const fn plus(self, amount: u64, now: Timestamp, half_life_ms: u64) -> Self {
        Self { amount: self.at(now, half_life_ms).saturating_add(amount), at: now }
    }
}

impl Candidate<'_> {
    /// Which task.
    pub const fn id(&self) -> TaskId {
        self.task.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_is_halved_again_and_again() {
        let at = Timestamp::from_millis;
        let served = Decaying::default().plus(800, at(1_000), 100);
        let left: Vec<u64> =
            [1_000, 1_050, 1_100, 1_200, 1_250, 8_000].map(|now| served.at(at(now), 100)).into();
        assert_eq!(left, [800, 600, 400, 200, 150, 0]);
        assert_eq!(served.plus(100, at(1_100), 100).at(at(1_200), 100), 250);
        assert_eq!(served.at(at(0), 100), 800, "a clock that went back");
        assert_eq!(
            Decaying::default().plus(u64::MAX, at(0), 100).plus(1, at(0), 100).at(at(0), 100),
            u64::MAX
        );
    }
}
