//! What is due first comes first.

use longhouse_policy::{Place, Policy, Ranker, TaskFacts};

/// The settings.
#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deadline {
    /// When a task without a deadline is due: this long after it was made, in milliseconds.
    without_ms: u64,
    /// How much earlier a task is due for each point of its priority, in milliseconds.
    point_ms: u32,
}

impl Default for Deadline {
    fn default() -> Self {
        Self { without_ms: 24 * 3_600_000, point_ms: 60_000 }
    }
}

impl Policy for Deadline {}

impl Ranker for Deadline {
    fn rank(&self, task: &TaskFacts, _now_ms: u64) -> Place {
        let due = task.deadline_at_ms.unwrap_or(task.created_at_ms.saturating_add(self.without_ms));
        Place::at(i128::from(due) - i128::from(task.priority) * i128::from(self.point_ms))
    }
}

longhouse_policy::ranker!(Deadline);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{policy, ranked, task};

    use super::*;

    fn due(id: u64, made: u64, deadline_at_ms: impl Into<Option<u64>>) -> TaskFacts {
        TaskFacts { created_at_ms: made, deadline_at_ms: deadline_at_ms.into(), ..task(id) }
    }

    #[test]
    fn what_is_due_first_comes_first() {
        let deadline: Deadline = policy(r#"{ "without_ms": 1000 }"#);
        let tasks = [due(1, 0, 5_000), due(2, 100, 2_000), due(3, 50, None), due(4, 1_500, None)];
        assert_eq!(ranked(&deadline, &tasks), [3, 2, 4, 1]);
    }

    #[test]
    fn a_point_of_priority_makes_it_due_earlier() {
        let deadline: Deadline = policy("{}");
        let urgent = TaskFacts { priority: 10, ..due(2, 0, 900_000) };
        assert_eq!(ranked(&deadline, &[due(1, 0, 600_000), urgent]), [2, 1]);
        assert_eq!(
            deadline.rank(&due(1, u64::MAX, None), 0).key,
            i64::MAX,
            "what is beyond all time comes last"
        );
    }
}
