//! One at a time wherever paths meet.

use longhouse_policy::{Conflict, LockFacts, LockRequest, Policy, TaskFacts, Verdict};

/// Has no settings.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusive {}

impl Policy for Exclusive {}

impl Conflict for Exclusive {
    fn decide(&self, _request: &LockRequest, held: &[LockFacts]) -> Verdict {
        if held.iter().any(|lock| lock.conflicts) { Verdict::Wait } else { Verdict::Grant }
    }

    fn overlap(&self, _task: &TaskFacts, _running: &[TaskFacts]) -> bool {
        false
    }
}

longhouse_policy::conflict!(Exclusive);

#[cfg(test)]
mod tests {
    use longhouse_policy::harness::{held, lock, policy, task};

    use super::*;

    #[test]
    fn whoever_comes_second_waits() {
        let exclusive: Exclusive = policy("{}");
        let request = lock("bob", &["src/**"]);
        assert_eq!(exclusive.decide(&request, &[]), Verdict::Grant);
        assert_eq!(exclusive.decide(&request, &[held(1, "ann", &["src/a"])]), Verdict::Wait);
        let shared = LockFacts { conflicts: false, ..held(1, "ann", &["src/a"]) };
        assert_eq!(exclusive.decide(&request, &[shared]), Verdict::Grant);
        assert!(!exclusive.overlap(&task(2), &[task(1)]));
    }
}
