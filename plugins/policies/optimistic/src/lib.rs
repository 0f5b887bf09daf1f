//! Tasks that touch the same paths run side by side.

use longhouse_policy::{Conflict, LockFacts, LockRequest, Policy, TaskFacts, Verdict};

/// The settings.
#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Optimistic {
    /// How many tasks that touch the same paths may be in progress beside another.
    beside: u32,
}

impl Default for Optimistic {
    fn default() -> Self {
        Self { beside: 16 }
    }
}

impl Policy for Optimistic {}

impl Conflict for Optimistic {
    fn decide(&self, _request: &LockRequest, held: &[LockFacts]) -> Verdict {
        if held.iter().any(|lock| lock.conflicts) { Verdict::Wait } else { Verdict::Grant }
    }

    fn overlap(&self, _task: &TaskFacts, running: &[TaskFacts]) -> bool {
        u32::try_from(running.len()).is_ok_and(|running| running <= self.beside)
    }
}

longhouse_policy::conflict!(Optimistic);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{held, lock, policy, task};

    use super::*;

    #[test]
    fn tasks_run_side_by_side_and_locks_do_not() {
        let optimistic: Optimistic = policy("{}");
        assert!(optimistic.overlap(&task(2), &[task(1)]));
        assert_eq!(
            optimistic.decide(&lock("bob", &["src/**"]), &[held(1, "ann", &["src/a"])]),
            Verdict::Wait
        );
    }

    #[test]
    fn as_many_as_are_allowed() {
        let two: Optimistic = policy(r#"{ "beside": 1 }"#);
        assert!(two.overlap(&task(2), &[task(1)]) && !two.overlap(&task(3), &[task(1), task(2)]));
    }
}
