//! Decisions that were recorded, made again natively.

use serde::{Deserialize, Serialize};

use crate::{
    Admission, Admit, AgentFacts, Candidate, Claim, Conflict, GroupFacts, LockFacts, LockRequest, Pick,
    Place, Ranker, RunRequest, Scheduler, TaskFacts, Verdict,
};

/// What a policy was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the parameters of the functions of wit/")]
pub enum Call {
    Rank {
        tasks: Vec<TaskFacts>,
        now_ms: u64,
    },
    Select {
        window: Vec<Candidate>,
        groups: Vec<GroupFacts>,
        agent: AgentFacts,
        want: u32,
        now_ms: u64,
        seed: u64,
    },
    Decide {
        request: LockRequest,
        held: Vec<LockFacts>,
    },
    Overlap {
        task: TaskFacts,
        running: Vec<TaskFacts>,
    },
    Review {
        run: RunRequest,
        agent: AgentFacts,
    },
}

/// What it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the results of the functions of wit/")]
pub enum Answer {
    Rank(Vec<Place>),
    Select(Vec<Pick>),
    Decide(Verdict),
    Overlap(bool),
    Review(Admit),
}

/// A line of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// What was asked.
    pub call: Call,
    /// What was answered.
    pub answer: Answer,
}

/// A decision that comes out differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// In which line of the recording, counted from 1.
    pub line: usize,
    /// What was answered then.
    pub then: Answer,
    /// What is answered now.
    pub now: Answer,
}

/// Makes the decisions of a recording again, a line of JSON each: those that come out differently. What `policy` answers
/// with `None` is about another kind of policy, and passed over.
///
/// # Errors
/// When a line is no [`Recorded`].
pub fn again(
    recording: &str,
    policy: impl Fn(Call) -> Option<Answer>,
) -> serde_json::Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for (line, text) in (1..).zip(recording.lines()) {
        let Recorded { call, answer: then } = serde_json::from_str(text)?;
        if let Some(now) = policy(call).filter(|now| *now != then) {
            differences.push(Difference { line, then, now });
        }
    }
    Ok(differences)
}

/// A ranker, for [`again`].
pub fn ranker(policy: &impl Ranker) -> impl Fn(Call) -> Option<Answer> {
    move |call| match call {
        Call::Rank { tasks, now_ms } => {
            Some(Answer::Rank(tasks.iter().map(|task| policy.rank(task, now_ms)).collect()))
        }
        Call::Select { .. } | Call::Decide { .. } | Call::Overlap { .. } | Call::Review { .. } => None,
    }
}

/// A scheduler, for [`again`].
pub fn scheduler(policy: &impl Scheduler) -> impl Fn(Call) -> Option<Answer> {
    move |call| match call {
        Call::Select { window, groups, agent, want, now_ms, seed } => {
            Some(Answer::Select(policy.select(&Claim { window, groups, agent, want, now_ms, seed })))
        }
        Call::Rank { .. } | Call::Decide { .. } | Call::Overlap { .. } | Call::Review { .. } => {
            ranker(policy)(call)
        }
    }
}

/// A conflict policy, for [`again`].
pub fn conflict(policy: &impl Conflict) -> impl Fn(Call) -> Option<Answer> {
    move |call| match call {
        Call::Decide { request, held } => Some(Answer::Decide(policy.decide(&request, &held))),
        Call::Overlap { task, running } => Some(Answer::Overlap(policy.overlap(&task, &running))),
        Call::Rank { .. } | Call::Select { .. } | Call::Review { .. } => None,
    }
}

/// An admission policy, for [`again`].
pub fn admission(policy: &impl Admission) -> impl Fn(Call) -> Option<Answer> {
    move |call| match call {
        Call::Review { run, agent } => Some(Answer::Review(policy.review(&run, &agent))),
        Call::Rank { .. } | Call::Select { .. } | Call::Decide { .. } | Call::Overlap { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{agent, task};
    use super::*;
    use crate::Policy;

    #[derive(serde::Deserialize)]
    struct Newest {}

    impl Policy for Newest {}

    impl Ranker for Newest {
        fn rank(&self, task: &TaskFacts, _now_ms: u64) -> Place {
            Place::at(-i128::from(task.id))
        }
    }

    #[test]
    fn what_comes_out_differently_is_told() {
        let rank = |id, key: i64| Recorded {
            call: Call::Rank { tasks: vec![task(id)], now_ms: 5 },
            answer: Answer::Rank(vec![Place::at(key)]),
        };
        let other = Recorded {
            call: Call::Review { run: super::super::run(&["ls"]), agent: agent("ann") },
            answer: Answer::Review(Admit::Allow),
        };
        let lines = [rank(1, -1), rank(2, 2), other].map(|line| serde_json::to_string(&line).unwrap());
        let then = Answer::Rank(vec![Place::at(2)]);
        let now = Answer::Rank(vec![Place::at(-2)]);
        let differences = again(&lines.join("\n"), ranker(&Newest {})).unwrap();
        assert_eq!(differences, [Difference { line: 2, then, now }]);
        assert!(again("{}", ranker(&Newest {})).is_err());
    }
}
